type Json = { readonly [name: string]: unknown };

/**
 * The text that the prompt of a chat or a response begins with, which others may share: lines with the same one run one after the other, since
 * engines keep what they have worked out of it. '' where nobody can tell.
 */
export function prefixOf(body: Json, endpoint: string): string {
  if (endpoint === '/v1/chat/completions') return system(body['messages']) + tools(body['tools']);
  if (endpoint === '/v1/responses') return text(body['instructions']) + tools(body['tools']);
  return '';
}

/** What stands before the first turn of a conversation. */
function system(messages: unknown): string {
  if (!Array.isArray(messages)) return '';
  let prefix = '';
  for (const message of messages as ({ readonly role?: unknown; readonly content?: unknown } | null)[]) {
    if (message?.role !== 'system' && message?.role !== 'developer') break;
    prefix += `${text(message.content)}\n`;
  }
  return prefix;
}

function tools(value: unknown): string {
  return Array.isArray(value) && value.length > 0 ? JSON.stringify(value) : '';
}

function text(value: unknown): string {
  if (value == null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
