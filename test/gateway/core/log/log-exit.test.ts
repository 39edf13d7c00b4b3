import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);
const source = (path: string) => JSON.stringify(fileURLToPath(new URL(`../../../../gateway/${path}`, import.meta.url)));

/** The arguments to Node for a program that opens a log on its standard output. */
function programOf(body: string, format = 'json', more = ''): string[] {
  const program = `
    import { createLog } from ${source('core/log/log.ts')};
    import { systemClock } from ${source('core/clock.ts')};
    const log = createLog({ level: 'info', format: '${format}', clock: systemClock, ${more} });
    ${body}`;
  return ['--input-type=module-typescript', '--eval', program];
}

/** What a program printed by the time it ended. */
async function outputOf(body: string, format?: string): Promise<string[]> {
  const { stdout } = await run(process.execPath, programOf(body, format), { maxBuffer: 2 ** 26 });
  return stdout.split('\n').slice(0, -1);
}

describe('the log on standard output', () => {
  it.each([
    ['returns from its last statement', ''],
    ['calls process.exit', 'process.exit(0);'],
    ['exits after a flush', 'log.flush(); process.exit(0);'],
  ])('loses no line when the program %s', async (_, ending) => {
    const lines = await outputOf(`for (let index = 0; index < 2000; index++) log.info('start', 'line ' + index); ${ending}`);
    expect(lines).toHaveLength(2000);
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({ msg: 'line 1999' });
  });

  it('shows a lone line while the program runs on', async () => {
    const child = spawn(process.execPath, programOf(`log.info('start', 'alone'); setInterval(() => {}, 1000);`));
    try {
      const [shown] = (await once(child.stdout, 'data')) as [Buffer];
      expect(JSON.parse(shown.toString())).toMatchObject({ msg: 'alone' });
    } finally {
      child.kill('SIGKILL');
    }
  });

  it.each([
    ['is out before the next statement where it is to go out promptly', 'promptly: true', ['line 0', 'line 1']],
    ['is gathered otherwise', '', []],
  ])('%s', async (_, more, expected) => {
    const body = `for (let index = 0; index < 2; index++) log.info('start', 'line ' + index); process.kill(process.pid, 'SIGKILL');`;
    const child = spawn(process.execPath, programOf(body, 'json', more));
    let shown = '';
    child.stdout.on('data', (chunk) => (shown += chunk));
    await once(child, 'close');
    const lines = shown.split('\n').slice(0, -1);
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(expected);
  });

  it('is plain text for people where that is asked for', async () => {
    const lines = await outputOf(`log.info('start', 'ready', { port: 8080 }); process.exit(0);`, 'pretty');
    expect(lines).toEqual([expect.stringMatching(/^\d\d:\d\d:\d\d\.\d{3}Z INFO {2}start · ready port=8080$/)]);
  });
});
