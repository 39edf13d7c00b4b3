import { expect, test } from 'vitest';
import type { GatewayError } from '../../../../gateway/core/errors.ts';
import { watchUpload } from '../../../../gateway/http/stored/upload-pace.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

function watched(allowanceMs = 60_000) {
  const clock = createFakeClock();
  const state = { bytes: 0, isBusy: false, told: [] as GatewayError[] };
  const timer = watchUpload(clock, { bytes: () => state.bytes, isBusy: () => state.isBusy, allowanceMs: () => allowanceMs }, (error) =>
    state.told.push(error),
  );
  return { clock, state, timer };
}

test('one that stands still for ten seconds is too slow, and is told once', async () => {
  const { clock, state } = watched();
  state.bytes = 20_000;
  await clock.advance(10_000);
  expect(state.told).toEqual([]);
  await clock.advance(10_000);
  expect(state.told.map(({ kind }) => kind)).toEqual(['request_timeout']);
  await clock.advance(60_000);
  expect(state.told).toHaveLength(1);
  expect(clock.pending).toBe(0);
});

test('512 MiB by a line that carries what it has to takes four and a half hours, and may', async () => {
  const { clock, state, timer } = watched();
  while (state.bytes < 512 * 1024 * 1024) {
    state.bytes += 32_768 * 10;
    await clock.advance(10_000);
  }
  expect(state.told).toEqual([]);
  timer.cancel();
  expect(clock.pending).toBe(0);
});

test('one that drips is cut once the time for any body is over', async () => {
  const { clock, state } = watched(60_000);
  for (let window = 0; window < 6; window++) {
    state.bytes += 10_240;
    await clock.advance(10_000);
  }
  expect(state.told).toEqual([]);
  state.bytes += 10_240;
  await clock.advance(10_000);
  expect(state.told[0]).toMatchObject({ kind: 'request_timeout', details: { close: true } });
});

test('a disk that stands still is no fault of the client’s, and is waited for a minute', async () => {
  const { clock, state } = watched();
  state.bytes = 300_000;
  await clock.advance(10_000);
  state.isBusy = true;
  await clock.advance(50_000);
  expect(state.told).toEqual([]);
  await clock.advance(10_000);
  expect(state.told[0]).toMatchObject({ kind: 'store_unavailable' });
});
