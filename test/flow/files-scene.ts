import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { MemoryFiles } from '../support/memory-files.ts';

export const FILES_PATH = '/v1/files';

export interface FilesScene extends AsyncDisposable {
  readonly to: TestGateway;
  readonly records: MemoryFiles;
  /** Everything below the folder of the files. */
  onDisk(): string[];
}

/** A gateway without a worker that keeps files in a folder of its own. */
export async function startFilesScene(settings: SettingsInput = {}): Promise<FilesScene> {
  const stateDir = mkdtempSync(join(tmpdir(), 'headgate-files-'));
  const records = new MemoryFiles();
  const to = await startTestGateway(['http://127.0.0.1:9'], settings, undefined, stateDir, records);
  return {
    to,
    records,
    onDisk: () =>
      // The folder is made for the first file, which may be on its way here.
      (existsSync(join(stateDir, 'files')) ? readdirSync(join(stateDir, 'files'), { recursive: true, withFileTypes: true }) : [])
        .filter((entry) => entry.isFile())
        .map(({ name }) => name),
    async [Symbol.asyncDispose]() {
      await to.stop();
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
}

interface FormOf {
  readonly purpose?: string;
  readonly file?: string | Uint8Array;
  readonly name?: string;
  readonly fields?: Readonly<Record<string, string>>;
}

/** The form as openai's SDKs write it: the file first. */
export function formOf({ purpose, file, name = 'data.jsonl', fields = {} }: FormOf): FormData {
  const form = new FormData();
  if (file !== undefined) form.append('file', new File([file as string], name));
  if (purpose !== undefined) form.append('purpose', purpose);
  for (const [key, value] of Object.entries(fields)) form.append(key, value);
  return form;
}

export function send({ url }: TestGateway, form: FormOf, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${url}${FILES_PATH}`, { method: 'POST', body: formOf(form), headers });
}

/** Sends it and returns its id. */
export async function sent(to: TestGateway, text: string, purpose = 'user_data', headers: Record<string, string> = {}): Promise<string> {
  const response = await send(to, { file: text, purpose, name: 'a.txt' }, headers);
  if (response.status !== 200) throw new Error(await response.text());
  return ((await response.json()) as { id: string }).id;
}
