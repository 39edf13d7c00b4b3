import { execFile } from 'node:child_process';
import { Session } from 'node:inspector';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { answers, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until } from '../support/gateway.ts';

// Which files of the gateway a streamed chat really passes: counted by V8 (precise coverage), not read from imports.

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Files under gateway/, as paths from the root, sorted. */
export interface ChatTrace {
  /** Those of which a function ran from the first byte of the chat until its worker had all of it. */
  readonly toWorker: readonly string[];
  /** Those of which a function ran until the client had the last byte and the call's books were closed. */
  readonly whole: readonly string[];
  /** Those of which timers run functions while nobody asks. */
  readonly idle: readonly string[];
}

/**
 * Sends one streamed chat through a whole gateway in front of a scripted worker, both in a process of their own, so that nothing but this
 * chat runs in it: the gateway's timers are set far apart, and a chat before it has opened the way to the worker.
 * @throws Error when the process fails
 */
export async function traceChat(): Promise<ChatTrace> {
  const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(import.meta.url)], { cwd: ROOT });
  return JSON.parse(stdout) as ChatTrace;
}

async function trace(): Promise<ChatTrace> {
  const session = new Session();
  session.connect();
  post(session, 'Profiler.enable');
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url], { pressure: { scrape_interval_ms: 60_000 } });
  await gateway.gateway.firstReady;
  await chat(gateway.url);
  await until(() => gateway.gateway.figures.inFlight() === 0, 'the first chat is over');

  const files = new Set<string>();
  let toWorker: readonly string[] = [];
  const stream = answers.stream();
  worker.script = (request, response) => {
    note(session, files);
    toWorker = [...files];
    stream(request, response);
  };
  post(session, 'Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  note(session, new Set());
  await chat(gateway.url);
  await until(() => gateway.log.some(({ request_id, event }) => request_id === ID && event === 'request.end'), 'its books are closed');
  note(session, files);
  // What timers run when nobody asks, they may have run in the middle of the chat on a slow machine.
  const idle = new Set<string>();
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  note(session, idle);
  return { toWorker: toWorker.toSorted(), whole: [...files].toSorted(), idle: [...idle] };
}

const ID = 'traced';
/** Longer than the shortest of the gateway's timers. */
const IDLE_MS = 2_500;

async function chat(url: string): Promise<void> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-request-id': ID },
    body: JSON.stringify({ model: 'm', stream: true, messages: [{ role: 'user', content: 'Name a river.' }] }),
  });
  await response.text();
}

/** Adds the files of which a function has run since it was asked last. A module's own body counts as none. */
function note(session: Session, files: Set<string>): void {
  for (const { url, functions } of post(session, 'Profiler.takePreciseCoverage')) {
    if (!url.startsWith('file:')) continue;
    const file = relative(ROOT, fileURLToPath(url));
    const ran = functions.some(({ functionName, ranges }) => ranges[0]!.count > 0 && (functionName !== '' || ranges[0]!.startOffset > 0));
    if (ran && file.startsWith('gateway/')) files.add(file);
  }
}

interface Covered {
  readonly url: string;
  readonly functions: readonly { functionName: string; ranges: readonly { startOffset: number; count: number }[] }[];
}

/** The inspector of one's own thread answers at once. */
function post(session: Session, method: string, params: object = {}): readonly Covered[] {
  let covered: readonly Covered[] = [];
  session.post(method, params, (error, answer) => {
    if (error) throw error;
    covered = (answer as { result?: readonly Covered[] }).result ?? [];
  });
  return covered;
}

if (import.meta.main) process.stdout.write(JSON.stringify(await trace()));
