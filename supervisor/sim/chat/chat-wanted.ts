import { textMatching } from '../text/pattern-text.ts';
import { chance } from '../text/prose.ts';
import type { Tool, Wanted } from '../text/scripts.ts';
import type { Sim } from '../engine/sim.ts';
import { badRequest, badValue } from '../request/api-error.ts';
import { lastRole } from './chat-prompt.ts';
import type { Exchange } from '../request/exchange.ts';
import { isObject } from '../request/fields.ts';
import type { JsonObject } from '../request/fields.ts';

/** The tools of a chat body. */
function toolsOf(body: JsonObject): Tool[] {
  const tools = body['tools'];
  if (!Array.isArray(tools)) return [];
  return tools.map((tool: unknown) => {
    const described = isObject(tool) && isObject(tool['function']) ? tool['function'] : {};
    return { name: String(described['name'] ?? ''), parameters: described['parameters'] };
  });
}

/** What an answer in a given format is to be; null for plain text. */
function formatted(body: JsonObject): Wanted | null {
  const format = body['response_format'];
  if (isObject(format)) {
    if (format['type'] === 'json_object')
      return { kind: 'json', schema: { type: 'object', properties: { simulated: { const: true }, text: { type: 'string' } } } };
    const named = format['json_schema'];
    if (format['type'] === 'json_schema') {
      if (!isObject(named)) throw badRequest('response_format of type json_schema must have a json_schema.', 'response_format');
      return { kind: 'json', schema: named['schema'] ?? {} };
    }
  }
  const structured = body['structured_outputs'];
  if (!isObject(structured)) return null;
  const { json, choice, regex, grammar } = structured;
  const word = typeof grammar === 'string' ? /root\s*::=\s*"([^"\\]+)"/.exec(grammar)?.[1] : undefined;
  if (word !== undefined) return { kind: 'literal', text: word };
  if (typeof regex === 'string') return { kind: 'literal', text: textMatching(regex, chance(0)) ?? '' };
  if (Array.isArray(choice)) return { kind: 'literal', text: String(choice[0] ?? '') };
  if (json === undefined || json === null) return null;
  return { kind: 'json', schema: typeof json === 'string' ? (JSON.parse(json) as unknown) : json };
}

/** Since 0.30 a call that was chosen is read by the parser as well (vllm/entrypoints/openai/chat_completion/serving.py of 0.32). */
function checkParser({ sim }: Exchange, choice: string): void {
  if (!sim.settings.toolCallParser) throw badRequest(`tool_choice=${choice} requires --tool-call-parser to be set`);
}

/** What the body's tools and formats make of the answer. Throws ApiError. */
export function wantedOf(exchange: Exchange, body: JsonObject, messages: readonly unknown[]): Wanted {
  const tools = toolsOf(body);
  const choice = body['tool_choice'] ?? (tools.length > 0 ? 'auto' : 'none');
  if (isObject(choice)) {
    const wanted = isObject(choice['function']) ? choice['function']['name'] : null;
    const tool = tools.find(({ name }) => name === wanted);
    if (tool === undefined)
      throw badValue('The tool specified in `tool_choice` does not match any of the specified `tools`', 'tool_choice');
    checkParser(exchange, `function "${tool.name}"`);
    return { kind: 'call', tools: [tool], marked: false };
  }
  if (choice === 'required') {
    checkParser(exchange, '"required"');
    if (tools.length === 0) throw badRequest('When using `tool_choice`, `tools` must be set.', 'tool_choice');
    return { kind: 'call', tools: tools.slice(0, 1), marked: false };
  }
  if (choice === 'auto' && tools.length > 0) {
    if (!exchange.sim.settings.autoToolChoice) {
      throw badRequest('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set');
    }
    // After a tool has answered, the model talks: an agent's loop comes to an end.
    if (lastRole(messages) !== 'tool') return { kind: 'call', tools: tools.slice(0, 1), marked: true };
  }
  return formatted(body) ?? { kind: 'prose' };
}

/** Whether the answer begins with thoughts. */
export function wantsReasoning(sim: Sim, body: JsonObject): boolean {
  if (sim.settings.reasoningParser === '' || body['reasoning_effort'] === 'none') return false;
  const template = body['chat_template_kwargs'];
  return !(isObject(template) && template['enable_thinking'] === false);
}
