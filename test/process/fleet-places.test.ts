import type { ServerResponse } from 'node:http';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ADMIN_KEY } from '../support/admin.ts';
import { answers, type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { until } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { run } from '../support/process.ts';
import { NO_REDIS_SERVER, type RedisServer, startRedisServer } from '../support/redis-server.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';

// Gateways of one and of two processes in front of the same worker, which knows best how many calls it has.

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));
const SEATS = 8;
const PLACES = 10;

/** Calls that wait at a gateway that has all places, for longer than it takes to hear that another waits as well. */
const MORE = 20;

interface Member extends AsyncDisposable {
  readonly url: string;
  sharing(): Promise<number | undefined>;
  /** What it may have at the worker. */
  places(): Promise<number | undefined>;
  kill(): Promise<void>;
}

/** The calls that the worker has, and the most that it had. */
interface House extends AsyncDisposable {
  readonly worker: FakeVllm;
  readonly open: Map<ServerResponse, string>;
  readonly most: number;
  end(call: ServerResponse): void;
}

async function house(): Promise<House> {
  const worker = await startFakeVllm();
  const open = new Map<ServerResponse, string>();
  let most = 0;
  const count = (): void => {
    most = Math.max(most, open.size);
    worker.metrics = { num_requests_running: Math.min(SEATS, open.size), num_requests_waiting: Math.max(0, open.size - SEATS) };
  };
  worker.script = (request, response) => {
    open.set(response, request.body);
    count();
    response.on('close', () => {
      open.delete(response);
      count();
    });
  };
  return {
    worker,
    open,
    get most() {
      return most;
    },
    end(call) {
      // It is open until all of it has gone out.
      if (!call.writableEnded) answers.completion()({ path: '', headers: {}, body: '' }, call);
    },
    [Symbol.asyncDispose]: () => worker[Symbol.asyncDispose](),
  };
}

async function member(worker: FakeVllm, state: object, processes: number): Promise<Member> {
  const folder = scratchFolder();
  const port = await freePort();
  const settings = {
    ...{ server: { port, processes }, shutdown: { settle_ms: 0 }, state },
    workers: [{ url: worker.url, max_num_seqs: SEATS }],
  };
  writeFileSync(join(folder, 'headgate.yaml'), JSON.stringify(settings));
  const gateway = run(process.execPath, [CLI, 'gateway'], { cwd: folder });
  await gateway.prints(/is ready on/);
  const url = `http://127.0.0.1:${port}`;
  const status = async () => {
    const answer = await fetch(`${url}/admin/status`, { headers: { 'x-api-key': ADMIN_KEY } });
    return (await answer.json()) as { gateway: { sharing?: number }; workers: { places?: number }[] };
  };
  return {
    url,
    sharing: async () => (await status()).gateway.sharing,
    places: async () => (await status()).workers[0]?.places,
    async kill() {
      // All its processes.
      process.kill(-gateway.child.pid!, 'SIGKILL');
      await gateway.exited;
    },
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  };
}

/** Over connections of their own, which go to whichever process the kernel picks. @returns their statuses; 0: it was broken off */
function send({ url }: Member, count: number, content: string): Promise<number>[] {
  return Array.from({ length: count }, async () => {
    const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content }] });
    const headers = { 'content-type': 'application/json', connection: 'close' };
    const answer = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body }).catch(() => null);
    await answer?.arrayBuffer().catch(() => null);
    return answer?.status ?? 0;
  });
}

describe.skipIf(NO_REDIS_SERVER !== null)(`gateways that meet in a store${NO_REDIS_SERVER === null ? '' : ` (${NO_REDIS_SERVER})`}`, () => {
  let store: RedisServer;
  beforeAll(async () => {
    if (NO_REDIS_SERVER === null) store = await startRedisServer();
  });
  afterAll(() => store?.[Symbol.asyncDispose]());

  test('never send a worker more than it has places for, and leave all of them to whoever has calls', { timeout: 240_000 }, async () => {
    await using scene = await house();
    // A busy machine is no slow store.
    const state = { url: store.url, timeout_ms: 10_000 };
    await using stack = new AsyncDisposableStack();
    const members: Member[] = [];
    for (const processes of [1, 1, 2]) members.push(stack.use(await member(scene.worker, state, processes)));
    const [first, second, third] = members as [Member, Member, Member];
    for (const each of members) await until(async () => (await each.sharing()) === 3, 'each knows of the others');

    // Bursts at all of them at once.
    const calls = members.flatMap((each) => send(each, 30, 'burst'));
    const ending = setInterval(() => {
      for (const call of scene.open.keys()) scene.end(call);
    }, 40);
    const statuses = await Promise.all(calls);
    clearInterval(ending);
    expect(statuses.filter((status) => status !== 200)).toEqual([]);

    // All of it at one, whose processes divide what it gets; then somebody comes elsewhere.
    const long = send(third, PLACES + MORE, 'long');
    await until(() => scene.open.size === PLACES, 'one has all places');
    const late = send(second, 1, 'late');
    const isLate = (): boolean => [...scene.open.values()].some((body) => body.includes('late'));
    await until(
      async () => (await (await fetch(`${second.url}/metrics`)).text()).includes('headgate_queue_depth{class="interactive"} 1'),
      'it waits',
    );
    // Who has all of them hears of that four times a second; until then it fills what comes free itself.
    await until(async () => (await third.places())! < PLACES, 'who has all places knows that one is to be given back');
    // One of its processes may hear of it later than the other.
    let ended = 0;
    for (; ended < MORE && !isLate(); ended++) {
      scene.end([...scene.open.keys()][0]!);
      await until(() => scene.open.size === PLACES || isLate(), 'its place is used again');
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(isLate()).toBe(true);

    // What it had that is killed is the others'.
    await third.kill();
    expect((await Promise.all(long)).filter((status) => status === 200)).toHaveLength(ended);
    const taken = [...send(first, PLACES, 'after'), ...send(second, PLACES, 'after')];
    await until(() => scene.open.size === PLACES, 'the others have all places');
    await until(async () => (await first.sharing()) === 2, 'they know that they are two');
    const last = setInterval(() => {
      for (const call of scene.open.keys()) scene.end(call);
    }, 40);
    expect(new Set(await Promise.all([...taken, ...late]))).toEqual(new Set([200]));
    clearInterval(last);
    expect(scene.most).toBe(PLACES);

    // And of one that leaves in order.
    await stack.disposeAsync();
  });
});

test('gateways that only know how many they are leave nearly all places to whoever has calls', { timeout: 240_000 }, async () => {
  await using scene = await house();
  await using first = await member(scene.worker, { gateways: 3 }, 1);
  await using second = await member(scene.worker, { gateways: 3 }, 2);
  expect([await first.sharing(), await second.sharing()]).toEqual([3, 3]);
  const calls = send(second, 20, 'long');
  await until(() => scene.open.size >= 9, 'one has nearly all places');
  // Somebody is let in also where all is full.
  const late = send(first, 1, 'late');
  await until(() => [...scene.open.values()].some((body) => body.includes('late')), 'a first call of another has a place');
  expect(scene.most).toBeLessThanOrEqual(12);
  const ending = setInterval(() => {
    for (const call of scene.open.keys()) scene.end(call);
  }, 40);
  expect(new Set(await Promise.all([...calls, ...late]))).toEqual(new Set([200]));
  clearInterval(ending);
});
