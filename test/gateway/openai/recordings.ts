import { existsSync, readdirSync, readFileSync } from 'node:fs';

const FOLDER = new URL('../../../../shared/vllm-recordings/', import.meta.url);

/** Answers of vLLM's own front end, if they lie beside the repository. */
export const present = existsSync(FOLDER);
/** For the title of a block that is skipped without them. */
export const absent = present ? '' : ' (skipped: the recordings are not in ../shared/vllm-recordings)';

export interface Recording {
  readonly name: string;
  readonly status: number;
  readonly contentType: string;
  /** The body, without chunking. */
  readonly body: Buffer;
}

export function recordings(pattern: RegExp): Recording[] {
  if (!present) return [];
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.http') && pattern.test(name))
    .map((name) => {
      const bytes = readFileSync(new URL(name, FOLDER));
      const end = bytes.indexOf('\r\n\r\n');
      const head = bytes.toString('latin1', 0, end);
      const contentType = /\r\ncontent-type: (.*)/i.exec(head)?.[1]?.trim() ?? '';
      return { name, status: Number(head.slice(9, 12)), contentType, body: bytes.subarray(end + 4) };
    });
}
