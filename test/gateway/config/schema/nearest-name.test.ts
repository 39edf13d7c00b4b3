import { expect, test } from 'vitest';
import { nearestName } from '../../../../gateway/config/schema/nearest-name.ts';

const names = ['window_ms', 'max_batch_size', 'port', 'host', 'p95_slo_ms'];

test.each([
  ['windowMs', 'window_ms'],
  ['window-ms', 'window_ms'],
  ['widnow_ms', 'window_ms'],
  ['prot', 'port'],
  ['max_batch', 'max_batch_size'],
  ['ports', 'port'],
  ['Port', 'port'],
  ['max_batchsize', 'max_batch_size'],
])('%s was meant to be %s', (name, expected) => {
  expect(nearestName(name, names)).toBe(expected);
});

test.each(['', 'x', 'completely_else', '_', 'a'.repeat(1000)])('nothing is near "%s"', (name) => {
  expect(nearestName(name, names)).toBeNull();
});
