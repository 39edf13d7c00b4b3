import { enableCompileCache } from 'node:module';
import type { Gateway } from './main.ts';
import type { KeeperWord, ServerWord } from './processes/words.ts';

// The program of one of several processes that are one gateway: gateway/processes/keeper.ts starts it, and speaks to it from then on.

enableCompileCache();
const { startGateway } = await import('./main.ts');
const { systemClock, stayAlive } = await import('./core/clock.ts');
const { GatewayError } = await import('./core/errors.ts');
const { keepingPlace } = await import('./core/log/kept-lines.ts');
const { createLog } = await import('./core/log/log.ts');
const { Kin } = await import('./processes/kin.ts');
const { failureFields } = await import('./telemetry/events/request-line.ts');

/** What is left to do at the end: the last lines of log, the last words on their way. */
const LEAVE_MS = 200;

let kin: InstanceType<typeof Kin> | null = null;
let gateway: Promise<Gateway> | null = null;

function say(word: ServerWord): void {
  if (process.connected) process.send?.(word, undefined, undefined, () => {});
}

async function begin(beginning: Extract<KeeperWord, { kind: 'begin' }>): Promise<void> {
  const { loaded, cwd, stateDir, live } = beginning;
  const { settings } = loaded;
  kin = new Kin(beginning, process.ppid, systemClock, { send: say });
  const keep = keepingPlace(stateDir, 'gateway', settings.log.keep_mb);
  const log = createLog({ ...settings.log, clock: systemClock, live, keep });
  const fault = (error: unknown): void =>
    log.error(
      'internal.error',
      'a promise was rejected and nobody heard',
      failureFields(new GatewayError('internal', 'unexpected', { cause: error })),
    );
  process.on('unhandledRejection', fault);
  gateway = startGateway({ loaded, load: () => loaded, cwd, log, historyDir: stateDir, kin });
  try {
    await gateway;
  } catch (error) {
    const { code = null, message, port = null } = error as NodeJS.ErrnoException & { port?: number };
    say({ kind: 'failed', code, message, port });
    leave(1);
  }
}

async function end(settle: boolean): Promise<void> {
  try {
    await (await gateway)?.drain(settle);
  } finally {
    leave(0);
  }
}

function leave(code: number): void {
  systemClock.after(LEAVE_MS, () => process.exit(code));
}

const alive = stayAlive();
process.on('message', (message) => {
  const word = message as KeeperWord;
  if (word.kind === 'begin') return void begin(word);
  kin?.hear(word);
  if (word.kind === 'drain') void end(word.settle);
});
// Whoever kept us is gone. The port is to be free for whoever comes next; what runs may end as at every other end.
process.on('disconnect', () => {
  kin?.orphaned();
  void gateway?.then((started) => started.stopAccepting());
  void end(false).finally(() => alive.cancel());
});
// A terminal signals its whole process group, and a unit all of its processes: the one that keeps us tells us what there is to do.
process.on('SIGINT', () => {});
process.on('SIGHUP', () => {});
process.on('SIGTERM', () => say({ kind: 'stop' }));
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});
