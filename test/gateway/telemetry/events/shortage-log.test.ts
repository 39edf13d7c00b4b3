import { expect, test } from 'vitest';
import { crowdLog, shortageLog } from '../../../../gateway/telemetry/events/shortage-log.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

test('a shortage is told once in ten minutes, with what to do about it', async () => {
  const clock = createFakeClock();
  const lines: string[] = [];
  const say = shortageLog({ error: (_event, message) => lines.push(message) }, clock, 1_024);
  for (let i = 0; i < 100; i++) say('EMFILE');
  expect(lines).toEqual([expect.stringMatching(/no more than 1024 files.*LimitNOFILE/)]);
  await clock.advance(600_000);
  say('ENFILE');
  say('ENFILE');
  expect(lines.slice(1)).toEqual([expect.stringMatching(/This machine.*fs\.file-max/)]);
});

test('a crowd is told once in ten minutes too', () => {
  const lines: string[] = [];
  const say = crowdLog({ warn: (_event, message) => lines.push(message) }, createFakeClock(), 1_024);
  for (let i = 0; i < 100; i++) say(429);
  expect(lines).toEqual([expect.stringMatching(/429 clients.*1024 open files.*ulimit/)]);
});
