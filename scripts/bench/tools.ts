import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { type Child, type Children, freePort, pinned, printed } from './children.ts';
import type { Cores } from './cores.ts';
import { findProgram, ownFile, ownProgram } from './proxies/programs.ts';
import { writeAnswers } from './tools/answers.ts';
import { type LoadOptions, loadArguments } from './tools/load-options.ts';
import type { LoadResult } from './tools/tally.ts';

const START_MS = 20_000;
/** Beyond the time that a load has for itself. */
const MARGIN_MS = 30_000;

/** What the stub has counted since its start. */
export interface StubFigures {
  readonly calls: number;
  readonly aborts: number;
  readonly tokens: number;
  readonly streaming: number;
}

/** The stub and the load generator, which are the same whatever is measured. */
export interface Tools {
  readonly language: 'C' | 'Node';
  readonly stubPort: number;
  /** Calls a port once as a load does. @throws when the generator fails */
  load(port: number, options: Partial<LoadOptions>): Promise<LoadResult>;
  /** Sets the pace of the stub, and says what it has counted. */
  stub(stepUs?: number): Promise<StubFigures>;
}

interface Making {
  readonly folder: string;
  readonly children: Children;
  readonly cores: Cores;
  readonly without: ReadonlySet<string>;
  /** 0: any. */
  readonly stubPort: number;
}

/** Builds the tools, in C where there is a compiler, and starts the stub. @throws when they do not work */
export async function makeTools({ folder, children, cores, without, stubPort }: Making): Promise<Tools> {
  const compiler = ['gcc', 'cc', 'clang'].map((name) => findProgram(name, without)).find((program) => program !== null);
  const isC = compiler !== undefined && compiler !== null && !without.has('gcc');
  const program = (name: string) => (isC ? [build(compiler, name, folder)] : [process.execPath, ownProgram(`../tools/node-${name}`)]);
  const answers = join(folder, 'answers');
  writeAnswers(answers);
  const port = stubPort || (await freePort());
  const stub: Child = await children.start('stub', [...program('stub'), '--answers', answers, '--port', String(port)], { cpu: cores.stub });
  await printed(stub, /^listening \d+$/m, START_MS);
  const generator = program('load');
  return {
    language: isC ? 'C' : 'Node',
    stubPort: port,
    load: (to, options) => runLoad(pinned([...generator, ...loadArguments({ ...options, port: to })], cores.load), options),
    stub: async (stepUs) => {
      const set = stepUs === undefined ? '' : `?step_us=${stepUs}`;
      const response = await fetch(`http://127.0.0.1:${port}/bench/set${set}`, { headers: { connection: 'close' } });
      return (await response.json()) as StubFigures;
    },
  };
}

function build(compiler: string, name: string, folder: string): string {
  const out = join(folder, name);
  execFileSync(compiler, ['-O2', '-o', out, ownFile(`../tools/${name}.c`), '-lm'], { stdio: ['ignore', 'inherit', 'inherit'] });
  return out;
}

function runLoad([program = '', ...args]: readonly string[], { seconds = 2, graceS = 10 }: Partial<LoadOptions>): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const limit = setTimeout(() => child.kill('SIGKILL'), (seconds + graceS) * 1000 + MARGIN_MS);
    const end = (): void => void child.kill('SIGKILL');
    process.once('exit', end);
    let [out, err] = ['', ''];
    child.stdout.on('data', (piece: Buffer) => (out += piece.toString()));
    child.stderr.on('data', (piece: Buffer) => (err += piece.toString()));
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(limit);
      process.off('exit', end);
      try {
        resolve(JSON.parse(out) as LoadResult);
      } catch {
        reject(new Error(`the load generator has ended with ${code}: ${err.trim() || 'it printed nothing'}`));
      }
    });
  });
}
