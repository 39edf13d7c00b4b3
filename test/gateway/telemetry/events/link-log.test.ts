import { expect, test } from 'vitest';
import type { SupervisorLink } from '../../../../gateway/link/snapshot.ts';
import { linkLog } from '../../../../gateway/telemetry/events/link-log.ts';

test('a supervisor that falls silent is told of once, and that it is back; one that is yet to come is not', () => {
  const lines: string[] = [];
  const write = (event: string) => void lines.push(event);
  const tell = linkLog({ info: write, warn: write });
  const away: SupervisorLink = { kind: 'away', since: 0, reason: 'ENOENT' };
  const there: SupervisorLink = { kind: 'connected', heardAt: 0 };
  for (const link of [away, { kind: 'connecting' }, away, there, there] as const) tell(link);
  expect(lines).toEqual([]);
  for (const link of [away, away, there, away] as const) tell(link);
  expect(lines).toEqual(['supervisor.away', 'supervisor.back', 'supervisor.away']);
});
