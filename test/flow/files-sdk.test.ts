import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI, { NotFoundError, toFile } from 'openai';
import OpenAI6 from 'openai-6';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FilesScene, startFilesScene } from './files-scene.ts';

// OpenAI's own clients, unchanged.

let scene: FilesScene;
let folder: string;
beforeAll(async () => {
  scene = await startFilesScene();
  folder = mkdtempSync(join(tmpdir(), 'headgate-sdk-'));
});
afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const LINES = '{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{}}\n'.repeat(5_000);

describe.each([
  ['openai 7', OpenAI],
  ['openai 6', OpenAI6 as unknown as typeof OpenAI],
])('%s', (_, Client) => {
  let client: OpenAI;
  beforeAll(() => void (client = new Client({ baseURL: `${scene.to.url}/v1`, apiKey: 'whatever', maxRetries: 0 })));

  test('sends a stream from a disk, and gets it back', async () => {
    const path = join(folder, 'input.jsonl');
    writeFileSync(path, LINES);
    const expires_after = { anchor: 'created_at', seconds: 7_200 } as const;
    const file = await client.files.create({ file: createReadStream(path), purpose: 'batch', expires_after });
    expect(file).toMatchObject({ filename: 'input.jsonl', bytes: LINES.length, purpose: 'batch', status: 'processed' });
    expect(file.expires_at! - file.created_at).toBe(7_200);
    expect(await client.files.retrieve(file.id)).toEqual(file);
    expect(await client.files.waitForProcessing(file.id)).toEqual(file);
    expect(await (await client.files.content(file.id)).text()).toBe(LINES);
  });

  test('sends files and buffers, and deletes them', async () => {
    for (const file of [new File([LINES], 'a.jsonl'), await toFile(Buffer.from(LINES), 'a.jsonl')]) {
      const { id, bytes } = await client.files.create({ file, purpose: 'user_data' });
      expect(bytes).toBe(LINES.length);
      expect(await client.files.delete(id)).toEqual({ id, object: 'file', deleted: true });
      await expect(client.files.retrieve(id)).rejects.toMatchObject({ status: 404, param: 'id' });
    }
    expect(
      await client.files.retrieve('file-unknown').catch((error: unknown) => error instanceof NotFoundError || (error as Error).name),
    ).not.toBe('');
  });

  test('goes through a list by pages', async () => {
    const sent: string[] = [];
    for (let number = 0; number < 25; number++) {
      sent.push((await client.files.create({ file: new File([`${number}`], `${number}.txt`), purpose: 'vision' })).id);
    }
    const listed: string[] = [];
    for await (const { id } of client.files.list({ purpose: 'vision', limit: 10, order: 'asc' })) listed.push(id);
    expect(listed).toEqual(sent);
    for (const id of sent) await client.files.delete(id);
  });

  test('is told what was wrong in its own kind of error', async () => {
    const file = new File(['hello'], 'notes.txt');
    await expect(client.files.create({ file, purpose: 'batch' })).rejects.toMatchObject({
      status: 400,
      message: '400 Invalid file format for Batch API. Must be .jsonl',
      code: null,
    });
  });
});
