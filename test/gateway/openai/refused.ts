import { expect } from 'vitest';
import { GatewayError, type ErrorKind } from '../../../gateway/core/errors.ts';

/** The error that `act` throws; it must be of this kind. */
export function refused(kind: ErrorKind, act: () => unknown): GatewayError {
  try {
    act();
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    expect(error.kind).toBe(kind);
    return error;
  }
  throw new Error(`not refused as ${kind}`);
}
