import { existsSync, readdirSync, readFileSync } from 'node:fs';

const FOLDER = new URL('../../../../shared/vllm-recordings/', import.meta.url);

/** Answers of vLLM's own front end, if they lie beside the repository. */
export const present = existsSync(FOLDER);
/** For the title of a block that is skipped without them. */
export const absent = present ? '' : ' (skipped: the recordings are not in ../shared/vllm-recordings)';

/** For the title of a test that needs this recording: says where it is absent; '' where it is there. */
export function absentNote(name: string): string {
  return existsSync(new URL(name, FOLDER)) ? '' : ' (skipped: it is not in ../shared/vllm-recordings)';
}

/** The page, or the body of the answer, that was recorded under this name. */
export function recorded(name: string): string {
  const text = readFileSync(new URL(name, FOLDER), 'utf8');
  return name.endsWith('.http') ? text.slice(text.indexOf('\r\n\r\n') + 4) : text;
}

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

/** The logs of a vLLM 0.32 that was recorded at good and bad starts and at its deaths, by file name. */
export function recordedLogs(): ReadonlyMap<string, string> {
  const folder = new URL('../../supervisor/failure/vllm-logs/', import.meta.url);
  return new Map(readdirSync(folder).map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]));
}
