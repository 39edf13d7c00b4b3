/** Parts of a text that may differ without its meaning being another. */
export const NORMALIZERS = ['whitespace', 'timestamps', 'uuids', 'numbers_in_ids', 'paths', 'ip_addresses'] as const;
export type Normalizer = (typeof NORMALIZERS)[number];

const LONG_ID = 8;

type Step = (text: string) => string;

const MONTHS = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*';
const DAYS = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*';
const CLOCK = String.raw`\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?!\d)(?:\s?[AaPp][Mm]\b)?`;
const ZONE = String.raw`(?:\s?(?:Z|UTC|GMT)\b|\s?[+-]\d{2}:?\d{2}\b)?`;

/** In the order in which they are applied: a date has digits that an id might have, a path may hold a date. */
const STEPS: Readonly<Record<Normalizer, Step>> = {
  uuids: (text) => text.replaceAll(/\b[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}\b/gi, '<uuid>'),
  timestamps,
  ip_addresses: (text) =>
    text
      .replaceAll(/\b(?:\d{1,3}\.){3}\d{1,3}\b(?::\d{1,5}\b)?/g, '<ip>')
      .replaceAll(/(?<![\w:.])[\da-f]{0,4}(?::[\da-f]{0,4}){2,7}(?![\w:])/gi, (found) => (isAddress(found) ? '<ip>' : found)),
  paths: (text) => text.replaceAll(/(?<![\w<:/])(?:~|\.{1,2}|[A-Za-z]:)?(?:[/\\][\w.@+-]+){2,}[/\\]?/g, '<path>'),
  numbers_in_ids: (text) => text.replaceAll(/[\w-]+/g, (word) => (isId(word) ? word.replaceAll(/\d+/g, '#') : word)),
  whitespace: (text) => text.replaceAll(/\s+/g, ' ').trim(),
};
const ORDER: readonly Normalizer[] = ['uuids', 'ip_addresses', 'timestamps', 'paths', 'numbers_in_ids', 'whitespace'];

/** What takes all of these out of a text; what is the same afterwards counts as the same text. Pure. */
export function normalizer(wanted: readonly Normalizer[]): Step {
  const steps = ORDER.filter((name) => wanted.includes(name)).map((name) => STEPS[name]);
  return (text) => steps.reduce((now, step) => step(now), text);
}

function timestamps(text: string): string {
  return text
    .replaceAll(new RegExp(String.raw`\b\d{4}-\d{2}-\d{2}(?:[T ]${CLOCK}${ZONE})?`, 'g'), '<time>')
    .replaceAll(
      new RegExp(
        String.raw`\b(?:${DAYS},?\s+)?(?:${MONTHS}\.?\s+\d{1,2},?|\d{1,2}\.?\s+${MONTHS}\.?,?)\s+\d{4}(?:,?\s+(?:at\s+)?${CLOCK}${ZONE})?`,
        'g',
      ),
      '<time>',
    )
    .replaceAll(new RegExp(String.raw`\b\d{1,2}[/.]\d{1,2}[/.]\d{4}(?:,?\s+${CLOCK}${ZONE})?`, 'g'), '<time>')
    .replaceAll(new RegExp(String.raw`\b${CLOCK}${ZONE}`, 'g'), '<time>')
    .replaceAll(/\b1[4-9]\d{8}(?:\.\d{1,9}|\d{3}|\d{6}|\d{9})?\b/g, '<time>');
}

/** Parts joined by - or _, or a long mixture of letters and digits: no h2o, and no utf8. */
function isId(word: string): boolean {
  return /[A-Za-z]/.test(word) && (/[A-Za-z\d][-_][A-Za-z\d]/.test(word) || word.length >= LONG_ID);
}

/** IPv6, and no time of the day and no name with two colons. */
function isAddress(text: string): boolean {
  return text.includes('::') ? /\d/.test(text) : text.split(':').length === 8;
}
