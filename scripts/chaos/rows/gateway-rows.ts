import { setTimeout as delay } from 'node:timers/promises';
import type { Row } from './row.ts';
import { workersAt } from './settings.ts';
import type { Stage } from './stage.ts';

const FEW_FILES = 160;
const MANY_CLIENTS = 250;
const RELOADS = 10;
const MANY_PLACES = 64;
/** Nobody listens there. */
const NOBODY = 'http://127.0.0.1:9';

async function killed(stage: Stage): Promise<void> {
  stage.gateway.signal('SIGKILL');
  stage.struck++;
  await stage.gateway.exit(5_000);
}

async function again(stage: Stage): Promise<void> {
  stage.gateway.launch();
  await stage.gateway.ready();
}

/** What the gateway itself lacks is no fault of a worker's. */
function unblamed({ log }: Stage, struckMs: number): string[] {
  const blamed = [...log.since(struckMs, 'breaker'), ...log.since(struckMs, 'worker.state'), ...log.since(struckMs, 'worker.failure')];
  return blamed.map(({ line }) => `a worker was blamed: ${JSON.stringify(line).slice(0, 200)}`);
}

/** Rows in which the gateway itself is ended, told something new, or left without what it needs. */
export const GATEWAY_ROWS: readonly Row[] = [
  {
    name: 'reload-invalid',
    fault: 'a reload of settings that are none',
    how: 'a file that does not parse, then one with an unknown key; POST /admin/reload',
    holds: 'every call answered, both refused',
    strike: async (stage) => {
      stage.noted.statuses = [await stage.reload('admission: {{{ max_queue'), await stage.reload({ admission: { max_que: 3 } })];
      stage.struck += 2;
    },
    heal: (stage) => stage.reload(stage.settings()),
    check: ({ stage: { noted } }) =>
      noted.statuses.every((status) => status >= 400 && status < 500) ? [] : [`the reloads were answered ${noted.statuses.join(', ')}`],
    allOk: true,
    holdMs: 300,
  },
  {
    name: 'reload-storm',
    fault: 'reloads under load',
    how: `${RELOADS} reloads, each with another window, breaker, and as many workers as before or one more`,
    holds: 'every call answered, each reload taken',
    setting: { maxSeqs: MANY_PLACES },
    strike: async (stage) => {
      for (let i = 0; i < RELOADS; i++) {
        const workers = [stage.line.url, stage.b.url, ...(i % 2 === 0 ? [NOBODY] : [])];
        const over = {
          ...{ batch_window: { window_ms: i % 2 === 0 ? 20 : 0 }, admission: { max_queue: 60 + i } },
          ...{ circuit_breaker: { failures: 3 + (i % 3) }, workers: workersAt(workers, MANY_PLACES) },
        };
        stage.noted.statuses.push(await stage.reload(stage.settings(over)));
        stage.struck++;
        await delay(100);
      }
    },
    heal: (stage) => stage.reload(stage.settings()),
    check: ({ stage: { noted } }) =>
      noted.statuses.every((status) => status === 200 || status === 202) ? [] : [`the reloads were answered ${noted.statuses.join(', ')}`],
    allOk: true,
    holdMs: 100,
  },
  {
    name: 'sigterm',
    fault: 'SIGTERM under load',
    how: 'a load balancer stops sending within settle_ms; started again after its end',
    holds: 'every call answered, exit code 0',
    setting: { settings: { shutdown: { settle_ms: 600 } } },
    strike: async (stage) => {
      stage.gateway.signal('SIGTERM');
      stage.struck++;
      await delay(300);
      await stage.traffic.end();
      stage.noted.exitCode = await stage.gateway.exit(15_000);
    },
    heal: async (stage) => {
      await again(stage);
      stage.begin('d').start();
    },
    check: ({ stage: { noted } }) => (noted.exitCode === 0 ? [] : [`it ended with ${noted.exitCode ?? 'nothing'}`]),
    allOk: true,
    holdMs: 50,
  },
  {
    name: 'kill-gateway',
    fault: 'kill -9 of the gateway under load',
    how: 'SIGKILL, with lines of a batch on their way; started again',
    holds: 'each line of the batch once; calls of the dead are cut',
    strike: killed,
    heal: again,
    terms: { isKilled: true },
    holdMs: 300,
  },
  {
    name: 'kill-gateway-often',
    fault: 'kill -9 of the gateway, again and again',
    how: 'SIGKILL three times, with lines of a batch on their way',
    holds: 'each line of the batch once; calls of the dead are cut',
    strike: async (stage) => {
      for (let i = 0; i < 3; i++) {
        if (i > 0) {
          await again(stage);
          await delay(150);
        }
        await killed(stage);
      }
    },
    heal: again,
    terms: { isKilled: true },
    holdMs: 100,
  },
  {
    name: 'few-files',
    fault: 'no file left (ulimit -n)',
    how: `${FEW_FILES} open files at most, ${MANY_CLIENTS} idle clients`,
    holds: 'clients may be refused, no worker is blamed for it',
    setting: { gateway: { openFiles: FEW_FILES } },
    strike: ({ odd, gateway }) => odd.idle(gateway.port, MANY_CLIENTS),
    heal: ({ odd }) => odd.end(),
    terms: { mayRefuse: true },
    check: ({ stage, facts }) => unblamed(stage, facts.struckMs),
  },
  {
    name: 'frozen-gateway',
    fault: 'a gateway that is stopped for a while',
    how: 'SIGSTOP, SIGCONT 2.5 s later, with calls on their way',
    holds: 'calls end within their limits',
    strike: (stage) => {
      stage.gateway.signal('SIGSTOP');
      stage.struck++;
    },
    heal: ({ gateway }) => gateway.signal('SIGCONT'),
    check: ({ facts: { calls, struckMs, healedMs } }) =>
      calls.some(({ sentMs, endMs }) => sentMs < healedMs && sentMs >= struckMs && endMs >= healedMs)
        ? []
        : ['no call waited while the gateway stood still'],
  },
];
