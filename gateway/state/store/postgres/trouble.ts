import type { StoreTrouble } from '../words.ts';
import { NewerSchema } from './migrations.ts';
import { isUnconnected } from './transact.ts';

/** By SQLSTATE: its class, or all of it where that says more. */
const BY_STATE: Readonly<Record<string, StoreTrouble>> = {
  '08': 'unreachable',
  25006: 'unwritable',
  '28': 'auth',
  '3D': 'auth',
  42501: 'auth',
  53100: 'full',
  53300: 'unreachable',
  55006: 'locked',
  '55P03': 'timeout',
  57014: 'timeout',
  '57P': 'unreachable',
  58030: 'disk',
  XX001: 'corrupt',
  XX002: 'corrupt',
};

/** Another transaction stood in the way of this one, and has gone on. */
export function isWorthAnotherTry(error: unknown): boolean {
  return ['40001', '40P01'].includes(String((error as { code?: unknown }).code));
}

/** What a failure of the server, or of the way to it, means. */
export function failureOf(error: unknown): { readonly trouble: StoreTrouble; readonly message: string } {
  const { message, code } = error as Error & { code?: unknown };
  const state = typeof code === 'string' ? code : '';
  if (error instanceof NewerSchema) return { trouble: 'newer', message };
  if (isUnconnected(error)) return { trouble: 'unreachable', message: message === '' ? state : message };
  return { trouble: BY_STATE[state] ?? BY_STATE[state.slice(0, 3)] ?? BY_STATE[state.slice(0, 2)] ?? 'error', message };
}
