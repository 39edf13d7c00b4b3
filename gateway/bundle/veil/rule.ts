import { isSecretName } from '../../core/secrets/data.ts';
import type { Kind } from './stand-ins.ts';
import type { Veil } from './veil.ts';

/**
 * What may go out of a value. What no rule names does not.
 *   plain   numbers, true, false and null; a text in its place is none of ours
 *   word    one word out of a list of ours, such as a state
 *   time    an ISO time
 *   model   the name of a model, as far as it is one of a hub or of a client's; a folder is a path
 *   worker  ids of workers that we launch are ours to give; those of others are addresses
 *   text    sentences of ours
 *   foreign sentences of engines
 *   place   a URL: of this machine as it is, of any other nothing
 *   flags   vLLM's flags by name, with values that say nothing of whose they are
 *   args    the same as a command line
 *   or a kind: something that stands in its place
 */
export type LeafRule = 'plain' | 'word' | 'time' | 'model' | 'worker' | 'text' | 'foreign' | 'place' | 'flags' | 'args' | Kind;

export type Rule = LeafRule | readonly [Rule] | { readonly [field: string]: Rule } | Each;

/** A group whose names are somebody's. */
export class Each {
  readonly name: LeafRule;
  readonly value: Rule;

  constructor(name: LeafRule, value: Rule) {
    this.name = name;
    this.value = value;
  }
}

const OUT = undefined;
const WORD = /^[\w.+*:-]{1,80}$/;
const TIME = /^\d{4}-\d\d-\d\dT[\d:.]{5,15}(?:Z|[+-]\d\d:\d\d)$/;
const OWN_WORKER = /^worker-\d{1,4}$/;
const HUB_NAME = /^[\w.*-]{1,96}(?:[/:][\w.*-]{1,96}){0,2}$/;
const FLAG = /^--?[a-z][a-z0-9-]{0,60}$/i;

/** A copy with nothing but what the rule lets out. Never throws for plain data. */
export function allowed(value: unknown, rule: Rule, veil: Veil): unknown {
  if (value === null || value === undefined) return value;
  if (typeof rule === 'string') return leaf(value, rule, veil);
  if (rule instanceof Each) {
    if (!isGroup(value)) return OUT;
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [String(leaf(name, rule.name, veil)), allowed(inner, rule.value, veil)]),
    );
  }
  if (Array.isArray(rule)) return Array.isArray(value) ? value.map((inner) => allowed(inner, (rule as readonly [Rule])[0], veil)) : OUT;
  if (!isGroup(value)) return OUT;
  const fields = rule as { readonly [field: string]: Rule };
  return Object.fromEntries(
    Object.keys(fields).flatMap((field) => (Object.hasOwn(value, field) ? [[field, allowed(value[field], fields[field]!, veil)]] : [])),
  );
}

function leaf(value: unknown, rule: LeafRule, veil: Veil): unknown {
  if (rule === 'args') return Array.isArray(value) ? shownArgs(value.map(String), veil) : OUT;
  if (rule === 'flags') return isGroup(value) ? shownFlags(value, veil) : OUT;
  if (Array.isArray(value)) return value.map((inner) => leaf(inner, rule, veil));
  if (typeof value === 'number' || typeof value === 'boolean') return rule === 'secret' ? veil.standIn('secret', String(value)) : value;
  if (typeof value !== 'string') return OUT;
  switch (rule) {
    case 'plain':
      return OUT;
    case 'word':
      return WORD.test(value) ? veil.word(value) : veil.standIn('text', value);
    case 'time':
      return TIME.test(value) ? value : OUT;
    case 'model':
      return shownModel(value, veil);
    case 'worker':
      return OWN_WORKER.test(value) ? value : veil.standIn('worker', value);
    case 'text':
      return veil.text(value);
    case 'place':
      return veil.place(value);
    case 'foreign':
      return veil.foreign(value);
    default:
      return value === '' ? '' : veil.standIn(rule, value);
  }
}

/** Whatever is no name that a hub could know is taken for a place. */
export function shownModel(name: string, veil: Veil): string {
  return HUB_NAME.test(name) ? veil.name(name) : veil.standIn('path', name);
}

/** Values of these say how an engine runs; a text of any other flag may be a place, a template or a key. */
const WORDY = new Set(
  (
    'dtype quantization kv-cache-dtype load-format tokenizer-mode config-format model-impl runner convert task scheduling-policy ' +
    'distributed-executor-backend tool-call-parser reasoning-parser guided-decoding-backend attention-backend limit-mm-per-prompt ' +
    'device compilation-config cuda-graph-sizes mamba-cache-dtype uvicorn-log-level max-model-len cudagraph-mode optimization-level'
  ).split(' '),
);
const MODELS = new Set(['model', 'served-model-name', 'tokenizer']);
/** A list, or JSON, of numbers and of names of settings. */
const WORDY_VALUE = /^[\w.:,\-[\]{}" ]{0,200}$/;

function flagValue(flag: string, value: unknown, veil: Veil): unknown {
  const name = flag.replace(/^--?/, '').replaceAll('_', '-').toLowerCase();
  if (isSecretName(name)) return veil.standIn('secret', JSON.stringify(value));
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return value;
  if (typeof value === 'string' && /^-?\d{1,18}(?:\.\d{1,18})?$/.test(value)) return value;
  if (MODELS.has(name))
    return [value]
      .flat()
      .map((each) => shownModel(String(each), veil))
      .join(' ');
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (name === 'host' && /^(?:127\.0\.0\.1|0\.0\.0\.0|::1?|localhost)$/.test(text)) return text;
  if (WORDY.has(name) && WORDY_VALUE.test(text)) return veil.text(text);
  return veil.standIn('text', text);
}

function shownFlags(flags: Readonly<Record<string, unknown>>, veil: Veil): Record<string, unknown> {
  return Object.fromEntries(Object.entries(flags).map(([name, value]) => [shownFlag(name, veil), flagValue(name, value, veil)]));
}

/** Behind a dot stands what a flag's JSON holds: of somebody's making. */
function shownFlag(name: string, veil: Veil): string {
  const [head = '', ...rest] = name.split('.');
  return rest.length === 0 && FLAG.test(`-${head.replace(/^-/, '').replaceAll('_', '-')}`) ? name : veil.standIn('name', name);
}

function shownArgs(words: readonly string[], veil: Veil): string[] {
  let flag = 'model';
  return words.map((word) => {
    // A number below 0 is a value.
    if (!/^--?[a-z]/i.test(word)) return String(flagValue(flag, word, veil));
    const at = word.indexOf('=');
    flag = at < 0 ? word : word.slice(0, at);
    const shown = shownFlag(flag, veil);
    return at < 0 ? shown : `${shown}=${String(flagValue(flag, word.slice(at + 1), veil))}`;
  });
}

function isGroup(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
