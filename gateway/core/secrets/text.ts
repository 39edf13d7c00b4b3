/** What stands in place of a secret. */
export const REDACTED = '[redacted]';

/** Ends of names under which a secret lies, in any case. `token` alone is an ordinary word of language models: see `LONG_TOKEN`. */
const NAME =
  'api[-_]?keys?|(?:access|secret|private|admin|encryption|signing|account)[-_]?keys?(?:[-_]id)?|secrets?|pass(?:word|wd|phrase)s?|credentials?|' +
  '(?:hf|hub|access|auth|api|bearer|refresh|session|security|csrf|git(?:hub|lab)?|wandb|registry|secret|private|personal|bot)[-_]?tokens?';
/** What says that there is no secret, or that one was taken out already, or is a type in a line of Python. */
const NO_SECRET = String.raw`(?!(?:None|null|true|false|True|False|str|bool|bytes|Optional|SecretStr)(?=[\s,;|)}\]=[]|$)|(?:b?\\?["'])?(?:\[redacted\]|\(hidden\)|\*{3}|\$\{)|\[\]|<[a-z ]{1,40}>)`;
/** A value: a list, in quotes, or a word; what closes a sentence or a call behind a word is not part of it. */
const VALUE = String.raw`(?:\[[^\]\n]{1,2000}\]|(b?\\?")[^"\n]{1,2000}|(b?\\?')[^'\n]{1,2000}|[^\s"'&]{0,2000}[^\s"'&),;}\]])`;
/** Words that may follow the name of a setting in a sentence. */
const PROSE =
  '(?!(?:is|or|and|to|was|were|are|as|in|on|at|by|of|not|no|flag|option|argument|must|if|for|cannot|can|requires|required|when|with|has|that|value|instead|expected|invalid|missing|unknown|incorrect|wrong|denied|expired|ignored)(?![\\w-]))';

/**
 * Secrets that show themselves by the name before them or by their own form. Each begins at something rare and repeats within bounds, so
 * that no text takes more than its length in time.
 */
const FORMS: readonly (readonly [RegExp, string])[] = [
  // The part of a URL before the host. A password may hold an @ itself.
  [/(?<=:\/\/)[^\s/@:?#"'<>]{0,256}:[^\s/"<>]{0,512}@/g, `${REDACTED}@`],
  [/(?<=:\/\/)[^\s/@:?#"'<>]{1,256}@/g, `${REDACTED}@`],
  // Signed URLs, and keys in a query.
  [
    /([?&](?:[\w-]{0,40}[_-])?(?:signature|sig|token|key|apikey|policy|credential|secret|password)=)(?!\[redacted\])[^&\s"'<>)]{1,2000}/gi,
    `$1${REDACTED}`,
  ],
  [
    /\b(authorization\\?["']?\s{0,3}[:=]\s{0,3}\\?["']?(?:(?:Bearer|Basic|Token|Digest|Negotiate)\s{1,3})?)(?!\[redacted\]|(?:Bearer|Basic|Token|Digest|Negotiate)\b)[^\s"',]{4,2000}/gi,
    `$1${REDACTED}`,
  ],
  [
    /\b(Bearer\s{1,3})(?!(?:authentication|authorization|credentials?|challenge|scheme|tokens?|realm|error)\b)[\w.~+/=-]{8,2000}/gi,
    `$1${REDACTED}`,
  ],
  [/\b(Basic\s{1,3})(?=[A-Za-z+/]{0,200}[\d=])[\w+/]{8,2000}={0,2}/g, `$1${REDACTED}`],
  [new RegExp(`((?:${NAME})\\\\?["']?\\s{0,3}(?:=|:(?!:))\\s{0,3})${PROSE}${NO_SECRET}${VALUE}`, 'gi'), `$1$2$3${REDACTED}`],
  [new RegExp(`\\b([A-Z][A-Z0-9_]{0,80}(?:KEY|SECRET|PASSWORD|PASSWD|TOKEN|CREDENTIALS)=)${NO_SECRET}${VALUE}`, 'g'), `$1$2$3${REDACTED}`],
  [
    new RegExp(
      `((?<![\\w-])--(?:[\\w-]{0,60}[-_])?(?:${NAME}|token)["']?(?:\\s{0,3}=\\s{0,3}|,?\\s{1,3})["']?)(?!--)${PROSE}${NO_SECRET}${VALUE}`,
      'gi',
    ),
    `$1$2$3${REDACTED}`,
  ],
  // Keys that are known by how they begin. `hf_transfer` and `hf_overrides` are no such thing.
  [
    /\bhf_(?=[A-Za-z\d]{8})(?:[a-z]{0,200}[A-Z\d][A-Za-z\d]{0,200}|(?!quantization|generation|transformers|compatible)[a-z]{10,200})(?![A-Za-z\d_])/g,
    REDACTED,
  ],
  [/\b(?:sk|hg)-[\w-]{12,300}/g, REDACTED],
  [/\b(?:[prs]k_(?:live|test)_|gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|nvapi-|npm_|pypi-|AIza|ya29\.)[\w-]{16,300}/g, REDACTED],
  [/\b(?:AKIA|ASIA|AROA|ABIA)[A-Z\d]{16}\b/g, REDACTED],
  [/\beyJ[\w-]{8,4000}\.[\w-]{8,4000}\.[\w-]{0,4000}/g, REDACTED],
  // A token by its name only where it looks like nothing that a tokenizer knows.
  [/\b(token\\?["']?\s{0,3}[:=]\s{0,3}\\?["']?)(?=[A-Za-z_.-]{0,200}\d)(?=[\d_.-]{0,200}[A-Za-z])[\w.-]{20,400}/gi, `$1${REDACTED}`],
];

/** What every form above has some of: most texts have none of it, and are not looked at again. */
const SUSPECT =
  /@|key|token|secret|passw|passphrase|credential|authorization|bearer|basic|sig=|signature|policy=|hf_|sk-|hg-|[prs]k_(?:live|test)_|gh[pousr]_|github_pat_|glpat-|xox|nvapi-|npm_|pypi-|aiza|ya29\.|a(?:ki|si|ro|bi)a|eyj/i;

/** What was taken out may have stood in the way of a word border; more often than this it does not happen in a row. */
const ROUNDS = 8;

/** A text with what looks like a secret taken out of it. Twice is as good as once. */
export function withoutSecrets(text: string): string {
  if (!SUSPECT.test(text)) return text;
  let shown = text;
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = shown;
    for (const [form, replacement] of FORMS) shown = shown.replace(form, replacement);
    if (shown === before) return shown;
  }
  return shown;
}
