import { readSaid } from './said.ts';

const TYPES: ReadonlySet<string | null> = new Set(['NotFoundError', 'not_found_error']);
const NAMING = /^(?:the )?model\s+/i;
const QUOTE = /^[`'"]/;
const MISSING = /^,?\s*(?:does not exist|(?:is |was )?not found)\b/;
const OF_NAMES = /[\w\-/:@]/;

/**
 * Whether a worker's answer says that it has not the model that it was asked for by the name `asked`, or, where it is a Headgate (`isGateway`),
 * nobody for it. The body is read only at the statuses that may say so.
 */
export function lacksModel(status: number, body: Buffer, asked: string, isGateway: boolean): boolean {
  if (status === 404) return saysItLacks(body.toString('utf8'), asked);
  // 508: the call has been there already.
  return isGateway && (status === 508 || (status === 503 && readSaid(body.toString('utf8'))?.code === 'no_worker'));
}

/**
 * Whether a 404 says that the worker has not the model that it was asked for by the name `asked`. Only where it names that very model: a path
 * that it has not, an answer that it has not kept, or another model that a request names somewhere is the client's own mistake.
 */
function saysItLacks(body: string, asked: string): boolean {
  const said = readSaid(body);
  if (said === null || (said.param !== null && said.param !== 'model')) return false;
  // OpenAI, and who follows it, has a code for it. Others have words alone, of which a part may be what a client wrote: they are read strictly.
  return said.code === 'model_not_found' ? isNamed(said.message, asked) : TYPES.has(said.type) && isMissed(said.message, asked);
}

function isNamed(message: string, name: string): boolean {
  for (let at = message.indexOf(name); at >= 0; at = message.indexOf(name, at + 1)) {
    const after = message.slice(at + name.length);
    // A full stop ends the sentence, or goes on with a version.
    const isWhole = !OF_NAMES.test(after.charAt(0)) && !/^\.[\w\-/]/.test(after);
    if (isWhole && !/[\w\-/:@.]$/.test(message.slice(0, at))) return true;
  }
  return false;
}

/** vLLM: "The model `x` does not exist.", with more behind it in some versions. */
function isMissed(message: string, name: string): boolean {
  const naming = NAMING.exec(message);
  if (naming === null) return false;
  const named = message.slice(naming[0].length).replace(QUOTE, '');
  return named.startsWith(name) && MISSING.test(named.slice(name.length).replace(QUOTE, '').trimStart());
}
