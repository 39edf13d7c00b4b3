const HIDDEN = '[redacted]';
/** Names under which a secret may lie. Numbers under them (limits, counts of tokens) are left alone. */
const SECRET_NAME = /(^|[_.-])(api[_-]?key|key|keys|secret|password|passwd|token|authorization|cookie|credential)s?$/i;
/** The same in camel case, and in command-line flags. */
const SECRET_CAMEL = /(apiKey|Secret|Password|Token|Authorization)$/;
const SECRET_FLAG = /^--?[\w-]*(api-key|secret|password|token)$/i;
/** Secrets that show themselves by their form, and the user part of a URL. */
const SECRET_FORMS: readonly (readonly [RegExp, string])[] = [
  [/\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/gi, `$1 ${HIDDEN}`],
  [/\b(?:sk|hf|pk|ghp|xox[bp])[-_][\w-]{8,}/g, HIDDEN],
  [/(--?[\w-]*(?:api-key|secret|password|token)[= ])\S+/gi, `$1${HIDDEN}`],
  [/\b([A-Z][A-Z0-9_]*(?:KEY|SECRET|PASSWORD|TOKEN)=)\S+/g, `$1${HIDDEN}`],
  [/(\b[a-z][a-z0-9+.-]*:\/\/)[^/\s@]+@/gi, `$1${HIDDEN}@`],
];

/** A copy of plain data with whatever looks like a secret replaced: by the name it lies under, or by its own form. */
export function redacted(value: unknown): unknown {
  if (typeof value === 'string') return withoutSecrets(value);
  if (Array.isArray(value)) return value.map((item, index) => (isSecretFlag(value[index - 1]) ? HIDDEN : redacted(item)));
  if (value instanceof Map) return redacted(Object.fromEntries(value));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, isSecretName(name) ? hidden(inner) : redacted(inner)]));
}

export function withoutSecrets(text: string): string {
  return SECRET_FORMS.reduce((shown, [form, replacement]) => shown.replace(form, replacement), text);
}

function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name) || SECRET_CAMEL.test(name);
}

function isSecretFlag(previous: unknown): boolean {
  return typeof previous === 'string' && SECRET_FLAG.test(previous);
}

/** Hides every string within; shows whether there was something at all, and how much. */
function hidden(value: unknown): unknown {
  if (typeof value === 'string') return HIDDEN;
  if (Array.isArray(value)) return value.map(hidden);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, hidden(inner)]));
}
