import { expect, test } from 'vitest';
import { readLeaseOrder } from '../../../../gateway/http/pages/lease-order.ts';
import { leasePath } from '../../../../gateway/link/lease-path.ts';

test('a lease is a card, minutes, and who has it', () => {
  expect(readLeaseOrder({ gpu: 0, minutes: 30 })).toEqual({
    ...{ kind: 'lend', gpu: '0', id: null, holder: null, minutes: 30, graceSeconds: null, lapseSeconds: null },
  });
  expect(
    readLeaseOrder({ gpu: 'GPU-1a2b', minutes: 1.5, holder: 'Blender, Käthe’s', lapse_seconds: 30, grace_seconds: 15, id: 'lease-1' }),
  ).toEqual({
    ...{ kind: 'lend', gpu: 'GPU-1a2b', id: 'lease-1', holder: 'Blender, Käthe’s', minutes: 1.5, graceSeconds: 15, lapseSeconds: 30 },
  });
  expect(readLeaseOrder({ id: 'lease-1' })).toMatchObject({ kind: 'lend', minutes: null, id: 'lease-1' });
  expect(readLeaseOrder({ end: true })).toEqual({ kind: 'end', gpu: null, id: null });
  expect(readLeaseOrder({ end: true, gpu: '1', id: 'x' })).toEqual({ kind: 'end', gpu: '1', id: 'x' });
});

test.each([
  [null, 'an object'],
  [[], 'an object'],
  [{}, '"minutes" is how long'],
  [{ minutes: 0.5 }, '1 to 1440'],
  [{ minutes: 1441 }, '1 to 1440'],
  [{ minutes: '30' }, '1 to 1440'],
  [{ minutes: 30, gpu: -1 }, '"gpu"'],
  [{ minutes: 30, gpu: 0.5 }, '"gpu"'],
  [{ minutes: 30, gpu: '../x' }, '"gpu"'],
  [{ minutes: 30, holder: '' }, '"holder"'],
  [{ minutes: 30, holder: 'a\nb' }, '"holder"'],
  [{ minutes: 30, holder: '\u001b[2J' }, '"holder"'],
  [{ minutes: 30, holder: 'x'.repeat(81) }, '"holder"'],
  [{ minutes: 30, lapse_seconds: 1 }, '"lapse_seconds"'],
  [{ minutes: 30, grace_seconds: 0 }, '"grace_seconds"'],
  [{ minutes: 30, grace_seconds: 61 }, '"grace_seconds"'],
  [{ minutes: 30, id: 'a b' }, '"id"'],
  [{ minutes: 30, end: 'yes' }, '"end"'],
  [{ minute: 30 }, '"minute" is not known; a lease has gpu, minutes, holder, id, lapse_seconds, grace_seconds, end'],
])('%j is none: %s', (body, why) => {
  expect(readLeaseOrder(body)).toContain(why);
});

test('what was read is one command of the control API, with an id where it has none', () => {
  const made = (body: object) => {
    const order = readLeaseOrder(body);
    return typeof order === 'string' ? order : leasePath(order, () => 'made');
  };
  // Without an id of their own, somebody is who they say; who says nothing is nobody in particular.
  expect(made({ gpu: 0, holder: 'a&b', minutes: 30 })).toBe('/v1/gpus/lease?gpu=0&id=made&holder=a%26b&named=true&minutes=30');
  expect(made({ gpu: 0, minutes: 30 })).toBe('/v1/gpus/lease?gpu=0&id=made&holder=an+operator&minutes=30');
  expect(made({ id: 'x', holder: 'bash', minutes: 30 })).toBe('/v1/gpus/lease?id=x&holder=bash&minutes=30');
  expect(made({ id: 'x', minutes: 30, grace_seconds: 15, lapse_seconds: 30 })).toBe(
    '/v1/gpus/lease?id=x&holder=an+operator&minutes=30.25&grace=15&lapse=30',
  );
  expect(made({ id: 'x', minutes: 1440, grace_seconds: 15 })).toContain('minutes=1440.25&grace=15');
  expect(made({ end: true })).toBe('/v1/gpus/back?');
  expect(made({ end: true, gpu: 0, id: 'x' })).toBe('/v1/gpus/back?gpu=0&id=x');
});
