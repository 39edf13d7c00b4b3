import { chmodSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { RequestOptions } from 'node:http';
import { request } from 'node:http';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { isAnswered } from '../../../gateway/link/ask-state.ts';
import { controlPath, controlTarget } from '../../../gateway/link/control-path.ts';
import { defaultSettings } from '../../../gateway/config/schema/settings.ts';
import type { SupervisorSnapshot } from '../../../gateway/link/snapshot.ts';
import type { Controlled } from '../../../supervisor/control/control.ts';
import { ControlTaken, serveControl } from '../../../supervisor/control/control.ts';
import type { LeaseAsked } from '../../../supervisor/lease/asked.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { freePort } from '../../support/ports.ts';
import { scratchFolder } from '../support/scratch.ts';

const SNAPSHOT: SupervisorSnapshot = {
  revision: 1,
  pid: 1,
  version: '0',
  engine: 'sim',
  engineReason: 'a test',
  vllmVersion: null,
  profile: 'none',
  tuning: 'balanced',
  gpus: [],
  models: [],
  workers: [],
};

class FakeFleet implements Controlled {
  revision = 1;
  stops = 0;
  readonly wishes: string[] = [];
  readonly #listeners = new Set<() => void>();
  snapshot = () => ({ ...SNAPSHOT, revision: this.revision });
  onChange = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  get watchers(): number {
    return this.#listeners.size;
  }
  change(): void {
    this.revision += 1;
    for (const listener of this.#listeners) listener();
  }
  #wish(wish: string, id: string) {
    if (id === 'busy') return { kind: 'conflict', reason: 'busy is stopping.' } as const;
    if (id !== 'worker-1' && id !== 'org/model') return { kind: 'unknown', reason: `There is no worker ${id}.` } as const;
    this.wishes.push(wish);
    return { kind: 'accepted', will: 'It stops.' } as const;
  }
  restart = (id: string, reset: boolean) => this.#wish(reset ? 'restart and reset' : 'restart', id);
  drain = (id: string) => this.#wish('drain', id);
  undrain = (id: string) => this.#wish('undrain', id);
  load = (model: string) => this.#wish('load', model);
  wish = (model: string, waiting: number) => this.#wish(`wish of ${waiting} for`, model);
  unload = (model: string) => this.#wish('unload', model);
  readonly asked: LeaseAsked[] = [];
  lease = (asked: LeaseAsked) => {
    this.asked.push(asked);
    return { kind: 'conflict', reason: 'GPU 0 is lent to somebody.' } as const;
  };
  giveBack = (gpu: string | null, id: string | null) => this.#wish(`back ${gpu} ${id}`, 'worker-1');
  stopIfLeft(followers: readonly string[]) {
    return { kind: 'conflict', reason: `It is not yours: ${followers.join()}.` } as const;
  }
  stop() {
    this.stops += 1;
    return { kind: 'accepted', will: 'It stops.' } as const;
  }
}

async function serve(path = join(scratchFolder(), 'control.sock')) {
  const fleet = new FakeFleet();
  const clock = createFakeClock();
  const server = await serveControl(path, fleet, clock);
  onTestFinished(() => server.close());
  return { path, fleet, clock, server };
}

function ask(path: string, options: RequestOptions): Promise<{ status: number; body: unknown }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...controlTarget(path), agent: false, ...options }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** Lines of a watch, one at a time. */
function watch(path: string, url = '/v1/watch') {
  const lines: string[] = [];
  const waiting: (() => void)[] = [];
  const outgoing = request({ ...controlTarget(path), path: url, agent: false }, (response) => {
    let rest = '';
    response.on('data', (chunk: Buffer) => {
      const parts = (rest + chunk.toString()).split('\n');
      rest = parts.pop() ?? '';
      lines.push(...parts);
      for (const wake of waiting.splice(0)) wake();
    });
    response.on('error', () => {});
  });
  outgoing.on('error', () => {});
  outgoing.end();
  onTestFinished(() => void outgoing.destroy());
  return {
    async next(): Promise<SupervisorSnapshot> {
      while (lines.length === 0) await new Promise<void>((resolve) => waiting.push(resolve));
      return JSON.parse(lines.shift()!);
    },
    close: () => outgoing.destroy(),
  };
}

describe('the control API', () => {
  test('gives the state', async () => {
    const { path } = await serve();
    expect(await ask(path, { path: '/v1/state' })).toEqual({ status: 200, body: SNAPSHOT });
  });

  test('lets one watch: a line at once, after each change, and as a sign of life', async () => {
    const { path, fleet, clock } = await serve();
    const watching = watch(path);
    expect((await watching.next()).revision).toBe(1);
    fleet.change();
    expect((await watching.next()).revision).toBe(2);
    await clock.advance(5000);
    expect((await watching.next()).revision).toBe(2);
  });

  test('forgets a watcher that has gone', async () => {
    const { path, fleet, clock } = await serve();
    const before = clock.pending;
    const watching = watch(path);
    await watching.next();
    expect(fleet.watchers).toBe(1);
    watching.close();
    await expect.poll(() => fleet.watchers).toBe(0);
    expect(clock.pending).toBe(before);
  });

  test('tells an operator’s word about a model from that of calls that wait for it', async () => {
    const { path, fleet } = await serve();
    const post = (url: string) => ask(path, { method: 'POST', path: url });
    expect(await post('/v1/models/org%2Fmodel/load')).toEqual({ status: 202, body: { message: 'It stops.' } });
    expect(await post('/v1/models/org%2Fmodel/load?waiting=3')).toMatchObject({ status: 202 });
    expect(await post('/v1/models/org%2Fmodel/load?waiting=many')).toMatchObject({ status: 202 });
    expect(await post('/v1/models/org%2Fmodel/unload')).toMatchObject({ status: 202 });
    expect(fleet.wishes).toEqual(['load', 'wish of 3 for', 'wish of 0 for', 'unload']);
    expect(await post('/v1/models/busy/load')).toMatchObject({ status: 409 });
    expect(await post('/v1/models/other/unload')).toMatchObject({ status: 404 });
    expect(await post('/v1/models/busy/restart')).toMatchObject({ status: 404 });
    expect(await post('/v1/workers/worker-1/load')).toMatchObject({ status: 404 });
    expect(await ask(path, { method: 'GET', path: '/v1/models/busy/load' })).toMatchObject({ status: 405 });
  });

  test('passes wishes on and says what will happen', async () => {
    const { path, fleet } = await serve();
    const post = (url: string) => ask(path, { method: 'POST', path: url });
    expect(await post('/v1/workers/worker-1/restart')).toEqual({ status: 202, body: { message: 'It stops.' } });
    expect(await post('/v1/workers/worker-1/drain')).toMatchObject({ status: 202 });
    expect(await post('/v1/workers/worker-1/restart?reset=true')).toMatchObject({ status: 202 });
    expect(fleet.wishes).toEqual(['restart', 'drain', 'restart and reset']);
    expect(await post('/v1/workers/nobody/drain')).toMatchObject({ status: 404 });
    expect(await post('/v1/workers/busy/drain')).toMatchObject({ status: 409 });
    expect(await post('/v1/workers/%E0%A4%A/drain')).toMatchObject({ status: 404 });
    expect(await post('/v1/stop?if=left')).toMatchObject({ status: 409, body: { error: { message: 'It is not yours: .' } } });
    expect(await post('/v1/stop')).toMatchObject({ status: 202 });
    expect(fleet.stops).toBe(1);
  });

  test('knows which gateways follow it, and asks to be stopped by one only where no other does', async () => {
    const { path } = await serve();
    const said = async (by: number) => (await ask(path, { method: 'POST', path: `/v1/stop?if=left&by=${by}` })).body;
    const [first, second] = [watch(path, '/v1/watch?by=1'), watch(path, '/v1/watch?by=2')];
    await Promise.all([first.next(), second.next(), watch(path, '/v1/watch?by=2').next(), watch(path).next()]);
    expect(await said(1)).toEqual({ error: { message: 'It is not yours: 2.' } });
    expect(await said(2)).toEqual({ error: { message: 'It is not yours: 1.' } });
    second.close();
    expect(await said(1)).toEqual({ error: { message: 'It is not yours: 2.' } });
    first.close();
    await expect.poll(() => said(2)).toEqual({ error: { message: 'It is not yours: .' } });
  });

  test('makes its socket anew when somebody has taken it away, folder and all; whoever watches goes on', async () => {
    const folder = join(scratchFolder(), 'state');
    const { path, fleet, clock } = await serve(join(folder, 'control.sock'));
    const watching = watch(path);
    await watching.next();
    rmSync(folder, { recursive: true });
    expect(await isAnswered(path)).toBe(false);
    await clock.advance(2000);
    await expect.poll(() => isAnswered(path)).toBe(true);
    expect(await ask(path, { path: '/v1/state' })).toMatchObject({ status: 200 });
    fleet.change();
    expect((await watching.next()).revision).toBe(2);
  });

  test('knows its methods and paths', async () => {
    const { path, fleet } = await serve();
    expect(await ask(path, { path: '/v1/stop' })).toMatchObject({ status: 405 });
    expect(await ask(path, { path: '/v1/workers/worker-1/restart' })).toMatchObject({ status: 405 });
    expect(await ask(path, { method: 'POST', path: '/v1/state' })).toMatchObject({ status: 405 });
    expect(await ask(path, { path: '/' })).toMatchObject({ status: 404 });
    expect(fleet.stops + fleet.wishes.length).toBe(0);
  });

  test('does not obey a page in a browser', async () => {
    const { path, fleet } = await serve();
    const stop = { method: 'POST', path: '/v1/stop' };
    expect(await ask(path, { ...stop, headers: { origin: 'http://evil.example' } })).toMatchObject({ status: 403 });
    expect(await ask(path, { ...stop, headers: { host: 'evil.example:18099' } })).toMatchObject({ status: 403 });
    expect(fleet.stops).toBe(0);
  });
});

describe('its socket', () => {
  test('is open to its owner only', async () => {
    const { path } = await serve();
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('replaces one that a dead supervisor left behind', async () => {
    const path = join(scratchFolder(), 'control.sock');
    // A listener that is killed leaves its socket behind; a plain file refuses connections all the same.
    writeFileSync(path, '');
    await serve(path);
    expect(await isAnswered(path)).toBe(true);
  });

  test('is never taken from a live supervisor', async () => {
    const { path } = await serve();
    await expect(serveControl(path, new FakeFleet(), createFakeClock())).rejects.toThrow(ControlTaken);
    expect(await ask(path, { path: '/v1/state' })).toMatchObject({ status: 200 });
  });

  test('does not lie in a folder that others may write to', async () => {
    const folder = join(scratchFolder(), 'open');
    mkdirSync(folder);
    chmodSync(folder, 0o777);
    await expect(serveControl(join(folder, 'control.sock'), new FakeFleet(), createFakeClock())).rejects.toThrow(/another user/);
  });

  test('is gone when it is closed', async () => {
    const { path, server } = await serve();
    await server.close();
    expect(existsSync(path)).toBe(false);
    expect(await isAnswered(path)).toBe(false);
  });
});

test('the control API can be served on a loopback port instead', async () => {
  const port = await freePort();
  const { path } = await serve(`http://127.0.0.1:${port}`);
  expect(await ask(path, { path: '/v1/state' })).toMatchObject({ status: 200 });
});

describe('controlPath', () => {
  const settings = defaultSettings();
  const withControl = (control: string) => ({ ...settings, supervisor: { ...settings.supervisor, control } });

  test('is a socket in the state folder', () => {
    expect(controlPath(settings, '/srv/app')).toBe('/srv/app/.headgate/control.sock');
  });

  test('moves to a folder of its own where the path is too long for a socket', () => {
    const long = controlPath(settings, `/srv/${'x'.repeat(120)}`);
    expect(Buffer.byteLength(long)).toBeLessThanOrEqual(107);
    expect(long).not.toBe(controlPath(settings, `/srv/${'y'.repeat(120)}`));
  });

  test('is what the settings say', () => {
    expect(controlPath(withControl('run/c.sock'), '/srv')).toBe('/srv/run/c.sock');
    expect(controlPath(withControl('http://127.0.0.1:9000'), '/srv')).toBe('http://127.0.0.1:9000');
    expect(controlTarget('http://[::1]:9000')).toEqual({ host: '::1', port: 9000 });
  });
});
