import type { GatewayError } from './errors.ts';

/**
 * Says once, and for good, that a call is to stop, and why.
 * An AbortSignal would do the same at several times the cost on every request; `toAbortSignal` bridges to
 * libraries that want one.
 */
export class Cancellation {
  #reason: GatewayError | undefined;
  #listeners: Set<(reason: GatewayError) => void> | undefined;

  /** The reason, once cancelled. */
  get reason(): GatewayError | undefined {
    return this.#reason;
  }

  get cancelled(): boolean {
    return this.#reason !== undefined;
  }

  /** The first call wins; later ones do nothing. */
  cancel(reason: GatewayError): void {
    if (this.#reason) return;
    this.#reason = reason;
    const listeners = this.#listeners;
    this.#listeners = undefined;
    if (listeners) for (const listener of listeners) listener(reason);
  }

  /** Calls `listener` once on cancellation (at once, if that has happened). The result takes it off again. */
  onCancel(listener: (reason: GatewayError) => void): () => void {
    if (this.#reason) {
      listener(this.#reason);
      return ignore;
    }
    const listeners = (this.#listeners ??= new Set());
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** @throws the reason, if cancelled. */
  throwIfCancelled(): void {
    if (this.#reason) throw this.#reason;
  }

  /** An AbortSignal that aborts with the reason; `dispose` lets go of it. */
  toAbortSignal(): { signal: AbortSignal; dispose: () => void } {
    const controller = new AbortController();
    const dispose = this.onCancel((reason) => controller.abort(reason));
    return { signal: controller.signal, dispose };
  }
}

function ignore(): void {}
