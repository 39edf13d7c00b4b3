/** Somebody wants a model that is not loaded. */
export interface Wish {
  readonly model: string;
  /** An operator's word neither waits for the dwell nor for work to end. */
  readonly by: 'calls' | 'operator';
  readonly sinceMs: number;
  /** From here on (counted from `sinceMs`) it is met even while the model in its way has work. */
  readonly boundMs: number;
}
