import { plainText } from '../../core/secrets/plain-text.ts';
import { withoutSecrets } from '../../core/secrets/text.ts';
import type { KnownTexts } from './known-texts.ts';
import { ENDPOINT, shownPath } from './paths.ts';
import type { Kind, StandIns } from './stand-ins.ts';

/** Places that everybody may know of, and that say what was asked for: a model of the hub, a page of documentation. */
const PUBLIC =
  /(?:^|\.)(?:huggingface\.co|hf\.co|vllm\.ai|github\.com|pypi\.org|pytorch\.org|nvidia\.com|python\.org|nodejs\.org|ray\.io|modelscope\.cn)$/i;
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|0\.0\.0\.0|\[?::1?\]?)$/i;

const MOST_CHARS = 1_000;
const MARGIN = 4_000;
/** Words of somebody, quoted: names of settings and of classes are shorter, or have no spaces. */
const QUOTED = /'(?:[^'\\\n]|\\.){24,}'|"(?:[^"\\\n]|\\.){24,}"/g;

const FORMS: readonly (readonly [RegExp, (found: string, to: (kind: Kind, text: string) => string) => string])[] = [
  [/\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s"'<>()\\,;]+/gi, shownUrl],
  [/[\w.%+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+/g, (found, to) => to('email', found)],
  [
    /(?<![\w.:/-])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)(?::\d{1,5})?/g,
    (found, to) => (LOOPBACK.test(found.replace(/:\d+$/, '')) ? found : to('address', found)),
  ],
  [
    /(?<![\w:.])(?:[0-9a-f]{1,4}:){3,7}(?::?[0-9a-f]{1,4}){1,4}(?![\w:])|(?<![\w:.])[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,5}::(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,5})?(?![\w:])/gi,
    (found, to) => to('address', found),
  ],
  [
    /(?<![\w.-])(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:com|net|org|io|ai|dev|cloud|internal|intern|intra|intranet|local|localdomain|lan|corp|home|priv|private|svc|cluster|app|co|edu|gov|eu|uk|de|fr|nl|ch|at|it|es|pl|se|no|fi|cn|jp|kr|in|ru|br|ca|au|us|me|tech|xyz|consul|example|test)(?![\w-]|\.\w)(?::\d{1,5})?/gi,
    (found, to) => (PUBLIC.test(found.replace(/:\d+$/, '')) ? found : to('host', found)),
  ],
  [/(?<![\w.<>/:~-])(?:~|[A-Za-z]:)?(?:[\\/](?![\s/\\])[\w.@%+=~-]*[\w@%+=~-]){1,40}\/?/g, shownPath],
  [
    /(?<![\w<#-])(?=[\w+/=-]{0,400}\d)(?=[\w+/=-]{0,400}[a-z])[\w+/=-]{32,4000}/gi,
    (found, to) => (isWords(found) ? found : to('secret', found)),
  ],
];

/**
 * A text that may say anything, made fit to be read by strangers: secrets, names and places that are known, and what shows by its form that
 * it is one. It is on one line, and cut. `quotes`: what is quoted may be what a client sent.
 */
export function cleanText(text: string, known: KnownTexts, standIns: StandIns, quotes: 'leave' | 'hide' = 'leave'): string {
  const to = (kind: Kind, found: string): string => standIns.of(kind, found);
  // What is known is looked for in more than is shown: half of it would be known to nobody.
  const replaced = known.replace(plainText(text.slice(0, MOST_CHARS + MARGIN)), to);
  let shown = replaced.length > MOST_CHARS ? replaced.slice(0, MOST_CHARS).replace(/\S*$/, '') : replaced;
  const cut = text.length > MOST_CHARS + MARGIN || shown.length < replaced.length ? '… (cut)' : '';
  if (quotes === 'hide')
    shown = shown.replace(QUOTED, (found) => (found.includes(' ') ? `${found[0]}${to('text', found)}${found[0]}` : found));
  shown = withoutSecrets(shown);
  for (const [form, replace] of FORMS) shown = shown.replace(form, (found: string) => replace(found, to));
  return shown + cut;
}

/** Of a public place as it is, but for what is asked of it; on this machine its address; of any other nothing. */
export function shownUrl(found: string, to: (kind: Kind, text: string) => string): string {
  // What ends a sentence is no part of it.
  const end = /[.:!?\]}]*$/.exec(found)![0];
  const text = found.slice(0, found.length - end.length);
  return shownPlace(text, to) + end;
}

function shownPlace(text: string, to: (kind: Kind, text: string) => string): string {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '') return to('url', text);
  if (PUBLIC.test(url.hostname)) return `${url.origin}${url.pathname}`;
  if (!LOOPBACK.test(url.hostname)) return to('url', text);
  return ENDPOINT.test(url.pathname) ? `${url.protocol}//${url.host}${url.pathname}` : `${url.protocol}//${url.host}`;
}

/** Names of code are long, too: words with underscores, dashes or slashes between, none of them a heap of digits and letters. */
function isWords(text: string): boolean {
  return text
    .split(/[_/=+-]/)
    .every((word) => /^(?:[A-Za-z][a-z]*|[A-Z]+|(?:[A-Z][a-z]+)+|\d{1,6}|[a-z]{1,12}\d{1,4}|[A-Z]+[a-z]*\d{0,4}|)$/.test(word));
}
