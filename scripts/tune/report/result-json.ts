import { launchesOf } from '../grid/outcome.ts';
import type { Found } from './found.ts';

/** The result for other programs. Times in milliseconds, rates a second, shares from 0 to 1; what was not measured is null. */
export function tuneJson(found: Found): string {
  const { subject, results, skipped, best, usual, overlay } = found;
  const written = {
    kind: 'tune',
    started_at: new Date(found.startedAt).toISOString(),
    interrupted: found.wasInterrupted,
    took_ms: Math.round(found.tookMs),
    subject,
    slo: { p95_ms: found.objectives.slo, max_error_share: found.objectives.maxErrors },
    points: found.points,
    launches: launchesOf(results),
    best: best && { point: best.point, figures: best.figures },
    usual: usual && { point: usual.point, figures: usual.figures },
    overlay,
    results,
    skipped,
    machine: found.machine,
    version: found.version,
  };
  return `${JSON.stringify(written, null, 1)}\n`;
}
