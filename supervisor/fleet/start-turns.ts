import { Lease } from '../../gateway/core/lease.ts';

/**
 * One start at a time on each GPU: vLLM measures free memory while it starts, and fails when a neighbor takes some meanwhile.
 * First come, first served.
 */
export class StartTurns {
  readonly #lines = new Map<string, (() => void)[]>();

  /** `onTurn` is called once, possibly at once, when this start's turn has come. Releasing the lease gives the turn on, or leaves the line. */
  take(gpu: string, onTurn: () => void): Lease {
    const line = this.#lines.get(gpu) ?? [];
    this.#lines.set(gpu, line);
    line.push(onTurn);
    if (line.length === 1) onTurn();
    return new Lease(() => {
      const place = line.indexOf(onTurn);
      line.splice(place, 1);
      if (line.length === 0) this.#lines.delete(gpu);
      else if (place === 0) line[0]?.();
    });
  }
}
