import { expect, test } from 'vitest';
import { PortPool } from '../../supervisor/system/ports.ts';
import { NO_PORT, WorkerPort } from '../../supervisor/worker/port.ts';
import { freePort } from '../support/ports.ts';
import { fakeEngineSettings, superviseHere } from '../supervisor/support/running-supervisor.ts';

test('where the range is one port short the others serve, and the one that has none says so', { timeout: 60_000 }, async () => {
  const port = await freePort(2);
  const settings = await fakeEngineSettings('good', { supervisor: { replicas: 2, port_range: [port, port] } });
  const supervisor = await superviseHere(settings);
  await supervisor.worker(({ state }) => state === 'ready');
  await expect
    .poll(async () => (await supervisor.state()).workers[1])
    .toMatchObject({ port: null, lastFailure: { class: 'port', advice: expect.stringContaining('port_range') } });
  expect((await supervisor.state()).workers[0]).toMatchObject({ state: 'ready', port, lastFailure: null });
});

test('a worker that has no port looks for one with every start', async () => {
  const number = await freePort(1);
  const pool = new PortPool([number, number]);
  pool.reserve(number);
  const port = new WorkerPort(NO_PORT, pool);
  expect(await port.find()).toBe(false);
  expect(port.number).toBe(NO_PORT);
  pool.release(number);
  expect(await port.find()).toBe(true);
  expect(port.number).toBe(number);
});
