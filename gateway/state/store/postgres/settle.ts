import { type BatchRow, LINE_STATES, type Settled, type SettledLine, type Settling, SLICE_LINES } from '../batch-terms.ts';
import { batchIn } from './batch-rows.ts';
import type { PostgresLink } from './link.ts';
import type { Statements } from './statements.ts';

interface Ended {
  readonly rank: number;
  readonly model: number;
}

/**
 * Puts down what has come of lines. Whoever calls has brought its journals to the disk before. The batch is locked first, so that those who
 * settle the same one wait for each other, and for nothing in a circle.
 */
export function settleIn(link: PostgresLink, settling: Settling): Promise<Settled> {
  const { batch, holder, lines } = settling;
  const astray = lines.find(({ rank, slice }) => Math.floor(rank / SLICE_LINES) !== slice);
  return link.together(async (sql) => {
    if (astray) throw new Error(`line ${astray.rank} is not of slice ${astray.slice}`);
    const claims = [...new Map(lines.map(({ slice, epoch }) => [`${slice} ${epoch}`, { slice, epoch }])).values()];
    const [found] = await sql<{ seq: number; lot: number | null }[]>`SELECT seq, lot FROM batches WHERE id = ${batch} FOR UPDATE`;
    if (found === undefined || found.lot === null) return { kind: 'stale', slices: [...new Set(claims.map(({ slice }) => slice))] };
    const { seq, lot } = found;
    const held = await sql<{ slice: number; epoch: number }[]>`
      SELECT slice, epoch FROM slices
      WHERE lot = ${lot} AND holder = ${holder} AND slice = ANY(${claims.map(({ slice }) => slice)}::int[])
      ORDER BY slice FOR UPDATE`;
    const stale = claims.filter(({ slice, epoch }) => !held.some((row) => row.slice === slice && row.epoch === epoch));
    if (stale.length > 0) {
      // It may have been written before, by a call of which the caller has not heard.
      if (await isWritten(sql, seq, lot, settling)) return settled(await batchIn(sql, batch));
      return { kind: 'stale', slices: [...new Set(stale.map(({ slice }) => slice))] };
    }
    await commitJournals(sql, seq, settling);
    await endLines(sql, seq, lot, lines);
    return settled(await batchIn(sql, batch));
  });
}

function settled(row: BatchRow | null): Settled {
  if (row === null) throw new Error('a batch has vanished');
  return { kind: 'settled', row };
}

async function isWritten(
  sql: Statements,
  seq: number,
  lot: number,
  { holder, lines, outputBytes, errorBytes }: Settling,
): Promise<boolean> {
  const [row] = await sql`
    SELECT 1 FROM journals WHERE batch = ${seq} AND holder = ${holder} AND output_bytes = ${outputBytes} AND error_bytes = ${errorBytes}`;
  const ended = lines.filter(({ end }) => end !== 'again').map(({ rank }) => rank);
  if (!row) return false;
  return (await sql`SELECT 1 FROM lines WHERE lot = ${lot} AND rank = ANY(${ended}::int[]) AND state = 0 LIMIT 1`).length === 0;
}

async function commitJournals(sql: Statements, seq: number, { holder, outputBytes, errorBytes }: Settling): Promise<void> {
  const { count } = await sql`
    INSERT INTO journals VALUES (${seq}, ${holder}, ${outputBytes}, ${errorBytes})
    ON CONFLICT (batch, holder) DO UPDATE SET output_bytes = excluded.output_bytes, error_bytes = excluded.error_bytes
      WHERE journals.output_bytes <= excluded.output_bytes AND journals.error_bytes <= excluded.error_bytes`;
  if (count === 0) throw new Error('a journal is shorter than what has been settled of it');
}

async function endLines(sql: Statements, seq: number, lot: number, lines: readonly SettledLine[]): Promise<void> {
  const again = lines.filter(({ end }) => end === 'again').map(({ rank }) => rank);
  if (again.length > 0) {
    await sql`UPDATE lines SET attempts = attempts + 1 WHERE lot = ${lot} AND rank = ANY(${again}::int[]) AND state = 0`;
  }
  const ends = lines.flatMap(({ rank, end, usage }) => (end === 'again' ? [] : [{ rank, end, usage }]));
  if (ends.length === 0) return;
  const ended = await sql<Ended[]>`
    UPDATE lines SET state = given.state
    FROM unnest(${ends.map(({ rank }) => rank)}::int[], ${ends.map(({ end }) => LINE_STATES[end])}::smallint[]) AS given (rank, state)
    WHERE lot = ${lot} AND lines.rank = given.rank AND lines.state = 0
    RETURNING lines.rank, lines.model`;
  const isEnded = new Set(ended.map(({ rank }) => rank));
  const counted = [...new Map(ends.map((line) => [line.rank, line])).values()].filter(({ rank }) => isEnded.has(rank));
  const sum = (of: (line: (typeof counted)[number]) => number): number => counted.reduce((all, line) => all + of(line), 0);
  const models = tally(ended.map(({ model }) => model));
  await sql`
    UPDATE line_models SET waiting = waiting - ended FROM unnest(${models.keys}::int[], ${models.counts}::int[]) AS given (model, ended)
    WHERE lot = ${lot} AND line_models.model = given.model`;
  const slices = tally(ended.map(({ rank }) => Math.floor(rank / SLICE_LINES)));
  await sql`
    UPDATE slices SET waiting = waiting - ended, next_rank = coalesce(next.rank, next_rank), next_model = coalesce(next.model, next_model)
    FROM unnest(${slices.keys}::int[], ${slices.counts}::int[]) AS given (slice, ended)
    LEFT JOIN LATERAL (
      SELECT rank, model FROM lines
      WHERE lot = ${lot} AND rank >= given.slice * ${SLICE_LINES} AND rank < (given.slice + 1) * ${SLICE_LINES} AND state = 0
      ORDER BY rank LIMIT 1
    ) AS next ON true
    WHERE slices.lot = ${lot} AND slices.slice = given.slice`;
  await sql`
    UPDATE batches SET completed = completed + ${sum(({ end }) => Number(end === 'completed'))},
      failed = failed + ${sum(({ end }) => Number(end === 'failed'))}, input_tokens = input_tokens + ${sum(({ usage }) => usage?.input ?? 0)},
      cached_tokens = cached_tokens + ${sum(({ usage }) => usage?.cached ?? 0)},
      output_tokens = output_tokens + ${sum(({ usage }) => usage?.output ?? 0)},
      reasoning_tokens = reasoning_tokens + ${sum(({ usage }) => usage?.reasoning ?? 0)}
    WHERE seq = ${seq}`;
}

/** How often each is there. */
function tally(values: readonly number[]): { readonly keys: number[]; readonly counts: number[] } {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return { keys: [...counts.keys()], counts: [...counts.values()] };
}
