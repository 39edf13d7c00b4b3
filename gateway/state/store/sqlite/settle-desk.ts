import { LINE_STATES, type Settled, type SettledLine, type Settling, SLICE_LINES } from '../batch-terms.ts';
import type { BatchRows } from './batch-rows.ts';
import type { Sql } from './sql.ts';

interface Ended {
  readonly rank: number;
  readonly model: number;
}

/**
 * Puts down what has come of lines. A caller has brought its journals to the disk before: so what is written here is true after a failure of
 * the power as well, and if the last of it is lost, those lines run again.
 */
export class SettleDesk {
  readonly #sql: Sql;
  readonly #batches: BatchRows;

  constructor(sql: Sql, batches: BatchRows) {
    this.#sql = sql;
    this.#batches = batches;
  }

  settle(settling: Settling): Settled {
    return this.#sql.together(() => {
      const { batch, holder, lines } = settling;
      const found = this.#sql.get<{ seq: number; lot: number | null }>('SELECT seq, lot FROM batches WHERE id = ?', batch);
      const row = this.#batches.batchOf(batch, null);
      const claims = new Map(lines.map(({ slice, epoch }) => [`${slice} ${epoch}`, { slice, epoch }]));
      if (!found || !row || found.lot === null) return { kind: 'stale', slices: [...new Set(lines.map(({ slice }) => slice))] };
      const { seq, lot } = found;
      const stale = [...claims.values()].filter(
        ({ slice, epoch }) =>
          !this.#sql.get('SELECT 1 FROM slices WHERE lot = ? AND slice = ? AND epoch = ? AND holder = ?', lot, slice, epoch, holder),
      );
      if (stale.length > 0) {
        // It may have been written before, by a call of which the caller has not heard.
        if (this.#isWritten(seq, lot, settling)) return { kind: 'settled', row };
        return { kind: 'stale', slices: [...new Set(stale.map(({ slice }) => slice))] };
      }
      this.#commitJournals(seq, settling);
      this.#endLines(seq, lot, lines);
      return { kind: 'settled', row: this.#batches.batchOf(batch, null) ?? row };
    });
  }

  #isWritten(seq: number, lot: number, { holder, lines, outputBytes, errorBytes }: Settling): boolean {
    const isCommitted = this.#sql.get(
      'SELECT 1 FROM journals WHERE batch = ? AND holder = ? AND output_bytes = ? AND error_bytes = ?',
      ...[seq, holder, outputBytes, errorBytes],
    );
    if (!isCommitted) return false;
    const ended = lines.filter(({ end }) => end !== 'again');
    return ended.every(({ rank }) => this.#sql.get('SELECT 1 FROM lines WHERE lot = ? AND rank = ? AND state <> 0', lot, rank));
  }

  #commitJournals(seq: number, { holder, outputBytes, errorBytes }: Settling): void {
    const written = this.#sql.run(
      `INSERT INTO journals VALUES (?, ?, ?, ?)
       ON CONFLICT (batch, holder) DO UPDATE SET output_bytes = excluded.output_bytes, error_bytes = excluded.error_bytes
         WHERE output_bytes <= excluded.output_bytes AND error_bytes <= excluded.error_bytes`,
      ...[seq, holder, outputBytes, errorBytes],
    );
    if (written === 0) throw new Error('a journal is shorter than what has been settled of it');
  }

  #endLines(seq: number, lot: number, lines: readonly SettledLine[]): void {
    const counts = { completed: 0, failed: 0, input: 0, cached: 0, output: 0, reasoning: 0 };
    const models = new Map<number, number>();
    const slices = new Map<number, number>();
    for (const { slice, rank, end, usage } of lines) {
      if (Math.floor(rank / SLICE_LINES) !== slice) throw new Error(`line ${rank} is not of slice ${slice}`);
      if (end === 'again') {
        this.#sql.run('UPDATE lines SET attempts = attempts + 1 WHERE lot = ? AND rank = ? AND state = 0', lot, rank);
        continue;
      }
      const ended = this.#sql.get<Ended>(
        'UPDATE lines SET state = ? WHERE lot = ? AND rank = ? AND state = 0 RETURNING rank, model',
        ...[LINE_STATES[end], lot, rank],
      );
      if (!ended) continue;
      models.set(ended.model, (models.get(ended.model) ?? 0) + 1);
      slices.set(slice, (slices.get(slice) ?? 0) + 1);
      if (end === 'completed' || end === 'failed') counts[end] += 1;
      counts.input += usage?.input ?? 0;
      counts.cached += usage?.cached ?? 0;
      counts.output += usage?.output ?? 0;
      counts.reasoning += usage?.reasoning ?? 0;
    }
    for (const [model, ended] of models) {
      this.#sql.run('UPDATE line_models SET waiting = waiting - ? WHERE lot = ? AND model = ?', ended, lot, model);
    }
    for (const [slice, ended] of slices) this.#moveSliceOn(lot, slice, ended);
    this.#sql.run(
      `UPDATE batches SET completed = completed + ?, failed = failed + ?, input_tokens = input_tokens + ?,
         cached_tokens = cached_tokens + ?, output_tokens = output_tokens + ?, reasoning_tokens = reasoning_tokens + ?
       WHERE seq = ?`,
      ...[counts.completed, counts.failed, counts.input, counts.cached, counts.output, counts.reasoning, seq],
    );
  }

  #moveSliceOn(lot: number, slice: number, ended: number): void {
    const next = this.#sql.get<Ended>(
      `SELECT lines.rank, lines.model FROM slices JOIN lines USING (lot)
       WHERE lot = ?1 AND slice = ?2 AND rank >= next_rank AND rank < ?3 AND state = 0 ORDER BY rank LIMIT 1`,
      ...[lot, slice, (slice + 1) * SLICE_LINES],
    );
    this.#sql.run('UPDATE slices SET waiting = waiting - ? WHERE lot = ? AND slice = ?', ended, lot, slice);
    if (!next) return;
    this.#sql.run('UPDATE slices SET next_rank = ?, next_model = ? WHERE lot = ? AND slice = ?', next.rank, next.model, lot, slice);
  }
}
