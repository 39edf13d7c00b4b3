import { exchange } from '../core/exchange.ts';

const LIMITS = { silenceMs: 3_000, totalMs: 3_000, maxBytes: 4_096 };

/** The version of the Headgate that answers there, without a key; null where none does, or not within three seconds. Never throws. */
export async function headgateAt(host: string, port: number): Promise<string | null> {
  try {
    const where = { host: host.replace(/^\[|\]$/g, ''), port, path: '/version', headers: { host: `127.0.0.1:${port}` } };
    const { status, text } = await exchange(where, null, LIMITS);
    const said = JSON.parse(text) as { version?: unknown; node?: unknown; vllm?: unknown };
    const isOurs = status === 200 && typeof said.version === 'string' && typeof said.node === 'string' && 'vllm' in said;
    return isOurs
      ? String(said.version)
          .replaceAll(/[^\w.+-]/g, '')
          .slice(0, 40)
      : null;
  } catch {
    return null;
  }
}
