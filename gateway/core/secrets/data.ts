import { REDACTED, withoutSecrets } from './text.ts';

/** Names under which a secret may lie. Several tokens are a limit or a count, except where the name says whose they are. */
const SECRET_NAME =
  /(?:^|[_.-])(?:api[_-]?key|key|secret|password|passwd|passphrase|authorization|cookie|credential)s?$|(?:^|[_.-])token$|(?:^|[_.-])(?:hf|api|auth|access|bearer)[_-]?tokens$/i;
/** The same in camel case. */
const SECRET_CAMEL = /(?:apiKey|ApiKey|Secret|Password|Token|Authorization)$/;

/** Whether what lies under this name (of a setting, a variable, a flag) is to be hidden. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name) || SECRET_CAMEL.test(name);
}

/** A copy of plain data with whatever looks like a secret replaced: by the name it lies under, or by its own form. */
export function redacted(value: unknown): unknown {
  if (typeof value === 'string') return withoutSecrets(value);
  if (Array.isArray(value)) return value.every((item) => typeof item === 'string') ? shownArguments(value) : value.map(redacted);
  if (value instanceof Map) return redacted(Object.fromEntries(value));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, isSecretName(name) ? hidden(inner) : redacted(inner)]));
}

/** A command line with its secrets taken out: whatever follows a flag with a name for one, up to the next flag. */
export function shownArguments(words: readonly string[]): string[] {
  let isSecret = false;
  return words.map((word) => {
    if (!word.startsWith('-')) return isSecret ? REDACTED : withoutSecrets(word);
    const [flag = '', ...value] = word.split('=');
    isSecret = isSecretName(flag.replace(/^-+/, ''));
    return isSecret && value.length > 0 ? `${flag}=${REDACTED}` : withoutSecrets(word);
  });
}

/** Hides every string within; shows whether there was something at all, and how much. */
function hidden(value: unknown): unknown {
  if (typeof value === 'string') return REDACTED;
  if (Array.isArray(value)) return value.map(hidden);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, hidden(inner)]));
}
