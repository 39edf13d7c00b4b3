import type {
  BatchError,
  BatchRow,
  Claim,
  ClaimedLine,
  Holder,
  Journal,
  LineEnd,
  LineRow,
  NewBatch,
  Settled,
  Settling,
} from '../../gateway/state/store/batch-terms.ts';
import type { FileRow, Listed, Owner, Page } from '../../gateway/state/store/file-terms.ts';
import type { BatchRecords } from '../../gateway/state/store/ports.ts';
import { MemoryFiles, pageOf } from './memory-files.ts';

export const SLICE_LINES = 256;
const LEASE_MS = 15_000;

interface Line extends LineRow {
  attempts: number;
  end: LineEnd | null;
}

interface Hold {
  holder: string;
  epoch: number;
}

interface Kept {
  row: BatchRow;
  /** By rank. */
  lines: Line[];
  claim: Hold | null;
  epochs: number;
  /** By slice. */
  readonly slices: Map<number, Hold>;
  readonly journals: Map<string, Journal>;
}

const NO_TOKENS = { input: 0, cached: 0, output: 0, reasoning: 0 };
const ENDED: ReadonlySet<string> = new Set(['failed', 'completed', 'expired', 'cancelled']);
const CANCELLABLE: ReadonlySet<string> = new Set(['validating', 'in_progress', 'finalizing']);

/** Records of batches in this process's memory, as a store keeps them. */
export class MemoryBatches implements BatchRecords {
  readonly files: MemoryFiles;
  readonly #batches = new Map<string, Kept>();
  readonly #seen = new Map<string, number>();
  readonly #listeners = new Set<() => void>();
  /** Processes that are gone, for tests: their holders have lost everything at once. */
  readonly gone = new Set<string>();

  constructor(files = new MemoryFiles()) {
    this.files = files;
    files.isNeeded = (id) => this.#all().some(({ row }) => row.inputFile === id && !ENDED.has(row.status));
  }

  async addBatch(batch: NewBatch): Promise<void> {
    if (this.#batches.has(batch.id)) return;
    const none = { errors: null, model: null, outputFile: null, errorFile: null, pause: null };
    const times = { inProgressAt: null, finalizingAt: null, completedAt: null, failedAt: null };
    const more = { expiredAt: null, cancellingAt: null, cancelledAt: null, total: 0, completed: 0, failed: 0, usage: NO_TOKENS };
    const row: BatchRow = { ...batch, status: 'validating', ...none, ...times, ...more };
    this.#batches.set(batch.id, { row, lines: [], claim: null, epochs: 0, slices: new Map(), journals: new Map() });
  }

  async batchOf(id: string, owner: Owner | null): Promise<BatchRow | null> {
    return this.#of(id, owner)?.row ?? null;
  }

  async listBatches(owner: Owner | null, page: Page): Promise<Listed<BatchRow>> {
    const rows = this.#all().map(({ row }) => row);
    return pageOf(
      rows.filter((row) => owner === null || row.owner === owner),
      page,
    );
  }

  async openBatches(): Promise<readonly BatchRow[]> {
    const rows = this.#all().map(({ row }) => row);
    return rows.filter(({ status }) => !ENDED.has(status)).sort((one, other) => one.createdAt - other.createdAt);
  }

  async cancelBatch(id: string, owner: Owner | null, now: number): Promise<BatchRow | null> {
    const batch = this.#of(id, owner);
    if (batch && CANCELLABLE.has(batch.row.status)) batch.row = { ...batch.row, status: 'cancelling', cancellingAt: now };
    return batch?.row ?? null;
  }

  async holdOn({ id }: Holder, now: number): Promise<void> {
    this.#seen.set(id, now);
  }

  async letGo(holder: string): Promise<void> {
    this.#seen.delete(holder);
    for (const batch of this.#all()) {
      if (batch.claim?.holder === holder) batch.claim = null;
      for (const [slice, hold] of batch.slices) if (hold.holder === holder) batch.slices.delete(slice);
    }
  }

  async claimBatch(id: string, holder: string, now: number): Promise<number | null> {
    const batch = this.#of(id, null);
    if (!batch || ENDED.has(batch.row.status)) return null;
    if (batch.claim !== null && batch.claim.holder !== holder && this.#lives(batch.claim.holder, now)) return null;
    this.#seen.set(holder, Math.max(now, this.#seen.get(holder) ?? now));
    batch.claim = { holder, epoch: ++batch.epochs };
    return batch.claim.epoch;
  }

  async beginLines(id: string, epoch: number): Promise<boolean> {
    const batch = this.#held(id, epoch);
    if (batch) batch.lines = [];
    return batch !== null;
  }

  async addLines(id: string, epoch: number, lines: readonly LineRow[]): Promise<boolean> {
    const batch = this.#held(id, epoch);
    for (const line of lines) {
      if (batch?.lines[line.rank]) throw new Error(`rank ${line.rank} is there already`);
      if (batch) batch.lines[line.rank] = { ...line, attempts: 0, end: null };
    }
    return batch !== null;
  }

  async endValidation(
    id: string,
    epoch: number,
    found: { total: number; model: string | null; errors: readonly BatchError[] | null },
    now: number,
  ): Promise<BatchRow | null> {
    const batch = this.#held(id, epoch);
    if (!batch) return null;
    batch.claim = null;
    const { row } = batch;
    if (row.status === 'validating') {
      const { errors, model, total } = found;
      if (errors !== null) batch.lines = [];
      batch.row =
        errors === null
          ? { ...row, status: 'in_progress', inProgressAt: now, model, total }
          : { ...row, status: 'failed', failedAt: now, errors };
    } else if (row.status === 'cancelling') batch.lines = [];
    return batch.row;
  }

  async claimSlice(
    id: string,
    holder: string,
    models: readonly string[] | null,
    now: number,
  ): Promise<{ claim: Claim; lines: readonly ClaimedLine[] } | null> {
    const batch = this.#of(id, null);
    if (!batch || (batch.row.status !== 'in_progress' && batch.row.status !== 'cancelling')) return null;
    for (let slice = 0; slice * SLICE_LINES < batch.lines.length; slice++) {
      const hold = batch.slices.get(slice);
      if (hold && this.#lives(hold.holder, now)) continue;
      const lines = batch.lines.slice(slice * SLICE_LINES, (slice + 1) * SLICE_LINES).filter(({ end }) => end === null);
      if (lines.length === 0 || (models !== null && !models.includes(lines[0]!.model))) continue;
      this.#seen.set(holder, Math.max(now, this.#seen.get(holder) ?? now));
      const epoch = ++batch.epochs;
      batch.slices.set(slice, { holder, epoch });
      return {
        claim: { batch: id, slice, epoch },
        lines: lines.map(({ rank, number, offset, length, model, attempts }) => ({ rank, number, offset, length, model, attempts })),
      };
    }
    return null;
  }

  async releaseSlice({ batch: id, slice, epoch }: Claim, holder: string): Promise<void> {
    const batch = this.#of(id, null);
    const hold = batch?.slices.get(slice);
    if (hold?.holder === holder && hold.epoch === epoch) batch!.slices.delete(slice);
  }

  async settle({ batch: id, holder, lines, outputBytes, errorBytes }: Settling): Promise<Settled> {
    const batch = this.#of(id, null);
    if (!batch) throw new Error(`there is no batch ${id}`);
    const isStale = ({ slice, epoch }: { slice: number; epoch: number }): boolean => {
      const hold = batch.slices.get(slice);
      return hold?.holder !== holder || hold.epoch !== epoch;
    };
    const stale = new Set(lines.filter(isStale).map(({ slice }) => slice));
    if (stale.size > 0) return { kind: 'stale', slices: [...stale] };
    let { completed, failed, usage } = batch.row;
    for (const { rank, end, usage: used } of lines) {
      const line = batch.lines[rank];
      if (!line || line.end !== null) throw new Error(`the line of rank ${rank} is not there, or has ended`);
      if (end === 'again') line.attempts += 1;
      else line.end = end;
      if (end === 'completed') completed += 1;
      if (end === 'failed') failed += 1;
      if (used !== null) {
        const { input, cached, output, reasoning } = usage;
        usage = {
          ...{ input: input + used.input, cached: cached + used.cached },
          ...{ output: output + used.output, reasoning: reasoning + used.reasoning },
        };
      }
    }
    batch.row = { ...batch.row, completed, failed, usage };
    batch.journals.set(holder, { holder, outputBytes, errorBytes });
    return { kind: 'settled', row: batch.row };
  }

  async waitingLines(id: string): Promise<ReadonlyMap<string, number>> {
    const waiting = new Map<string, number>();
    for (const { end, model } of this.#of(id, null)?.lines ?? []) if (end === null) waiting.set(model, (waiting.get(model) ?? 0) + 1);
    return waiting;
  }

  async journalsOf(id: string): Promise<readonly Journal[]> {
    return [...(this.#of(id, null)?.journals.values() ?? [])];
  }

  async setPause(id: string, pause: BatchRow['pause']): Promise<void> {
    const batch = this.#of(id, null);
    if (batch) batch.row = { ...batch.row, pause };
  }

  async beginFinalizing(id: string, epoch: number, now: number): Promise<BatchRow | null> {
    const batch = this.#held(id, epoch);
    if (!batch || batch.row.status === 'validating' || batch.lines.some(({ end }) => end === null)) return null;
    // One that is being cancelled says so to its end.
    if (batch.row.status === 'in_progress') batch.row = { ...batch.row, status: 'finalizing', finalizingAt: now };
    return batch.row;
  }

  async finish(
    id: string,
    epoch: number,
    end: { status: 'completed' | 'expired' | 'cancelled'; output: FileRow | null; error: FileRow | null },
    now: number,
  ): Promise<boolean> {
    const batch = this.#held(id, epoch);
    if (!batch) return false;
    for (const file of [end.output, end.error]) if (file !== null) await this.files.addFile(file, null);
    const files = { outputFile: end.output?.id ?? null, errorFile: end.error?.id ?? null };
    batch.row = { ...batch.row, ...files, status: end.status, [`${end.status}At`]: now };
    batch.claim = null;
    return true;
  }

  onWork(listener: () => void): () => void {
    const own = (): void => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  // === what a test asks ===

  /** All lines by rank. */
  lines(id: string): readonly Line[] {
    return this.#of(id, null)?.lines ?? [];
  }

  #all(): Kept[] {
    return [...this.#batches.values()];
  }

  #of(id: string, owner: Owner | null): Kept | null {
    const batch = this.#batches.get(id);
    return batch && (owner === null || batch.row.owner === owner) ? batch : null;
  }

  /** null: the claim is another's. */
  #held(id: string, epoch: number): Kept | null {
    const batch = this.#of(id, null);
    return batch?.claim?.epoch === epoch ? batch : null;
  }

  #lives(holder: string, now: number): boolean {
    return !this.gone.has(holder) && now - (this.#seen.get(holder) ?? -Infinity) < LEASE_MS;
  }
}
