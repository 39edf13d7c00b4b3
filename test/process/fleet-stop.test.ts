import { expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { reading } from '../supervisor/support/pretend-smi.ts';
import { superviseHere } from '../supervisor/support/running-supervisor.ts';

test('a supervisor that has stopped has no question to the driver under way, and asks none any more', { timeout: 180_000 }, async () => {
  let [begun, open] = [0, 0];
  // Never room for a start: it is asked again and again.
  const card = reading('NVIDIA L4', 23_034, 8.9, { memoryFreeBytes: 2 ** 30 });
  const cards = {
    async read() {
      begun += 1;
      open += 1;
      await new Promise((resolve) => setTimeout(resolve, 200));
      open -= 1;
      return [card];
    },
  };
  const settings: SettingsInput = {
    models: ['qwen2.5-1.5b-instruct-awq'],
    supervisor: { engine: 'vllm', vllm_command: ['/nowhere/vllm'] },
  };
  const supervisor = await superviseHere(settings, {}, undefined, {}, cards);
  await expect.poll(() => begun).toBeGreaterThan(2);
  await expect.poll(() => open, { interval: 5 }).toBe(1);
  supervisor.signal('SIGTERM');
  await supervisor.exitCode;
  expect(open).toBe(0);
  const asked = begun;
  await new Promise((resolve) => setTimeout(resolve, 700));
  expect(begun).toBe(asked);
});
