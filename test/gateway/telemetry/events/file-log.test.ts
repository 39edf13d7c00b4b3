import { expect, test } from 'vitest';
import { fileLog } from '../../../../gateway/telemetry/events/file-log.ts';
import { collectedLog } from '../../../support/collected-log.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

test('files are named by id and key; a trouble that lasts is told once a minute', async () => {
  const { log, lines } = collectedLog();
  const clock = createFakeClock();
  const told = fileLog(log, clock);
  told.added({ id: 'file-1', key: 'app', requestId: 'r', bytes: 5, purpose: 'batch', durationMs: 1.6 });
  told.deleted({ id: 'file-1', key: '', requestId: 'r' });
  for (let second = 0; second < 61; second++) {
    told.trouble('writing a file', 'ENOSPC');
    await clock.advance(1_000);
  }
  expect(lines).toMatchObject([
    { event: 'file.added', request_id: 'r', file: 'file-1', key: 'app', bytes: 5, purpose: 'batch', duration_ms: 2 },
    { event: 'file.deleted', file: 'file-1' },
    { level: 'error', event: 'files.trouble', msg: 'What went wrong in writing a file: ENOSPC.' },
    { event: 'files.trouble' },
  ]);
  expect(lines).toHaveLength(4);
});
