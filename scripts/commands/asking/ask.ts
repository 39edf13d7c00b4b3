import { urlToHttpOptions } from 'node:url';
import { adminKeyFile, findAdminKey, type AdminKey } from '../../../gateway/config/admin-key.ts';
import type { LoadedSettings } from '../../../gateway/config/load.ts';
import { EXIT_FAILED } from '../../../gateway/config/exit-codes.ts';
import { exchange } from '../../../gateway/core/exchange.ts';
import { whatIsThere } from './absent.ts';
import { findGateway, type Found, type Surface } from './find-gateway.ts';

const THERE = '. Is it running there? --port and --config say where to ask.';
const LIMITS = { silenceMs: 5_000, totalMs: 10_000 };

export type Answer<T> =
  | { readonly kind: 'answered'; readonly body: T; readonly where: Found }
  /** `code`: of the error that was answered. `isAway`: nobody is there to answer, or is about to go; that may pass. */
  | { readonly kind: 'failed'; readonly message: string; readonly isAway: boolean; readonly code: string | null };

/** One question to the running gateway, whose answer has this shape. `body`: sent as JSON; null: none. Never throws. */
export async function ask<T>(
  loaded: LoadedSettings,
  method: 'GET' | 'POST',
  path: string,
  surface: Surface,
  limits: typeof LIMITS = LIMITS,
  body: unknown = null,
): Promise<Answer<T>> {
  const { settings } = loaded;
  const where = await findGateway(loaded, process.cwd(), surface);
  const { base } = where;
  const found = surface === 'admin' ? findAdminKey(settings, process.cwd()) : null;
  try {
    const headers = found === null || found.kind === 'none' ? {} : { authorization: `Bearer ${found.key}` };
    const { status, text } = await exchange({ ...urlToHttpOptions(new URL(base + path)), method, headers }, body, limits);
    const said: unknown = JSON.parse(text);
    if (status < 300) return { kind: 'answered', body: said as T, where };
    if (status === 401)
      return { kind: 'failed', message: keyAdvice(found, adminKeyFile(settings, process.cwd()), base), isAway: false, code: null };
    const { message, code = null } = (said as { error?: { message?: string; code?: string | null } } | null)?.error ?? {};
    return { kind: 'failed', message: message ?? `The gateway answered with status ${status}.`, isAway: status >= 500, code };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    return {
      kind: 'failed',
      message: `No gateway answers on ${base} (${code})${where.isGuess ? await whatIsThere(settings, process.cwd()) : THERE}`,
      // What is no JSON comes from somebody else.
      isAway: !(error instanceof SyntaxError),
      code: null,
    };
  }
}

/** Why the gateway does not know us, and what helps. */
function keyAdvice(found: AdminKey | null, file: string, base: string): string {
  if (found?.kind === 'none') return found.problem;
  if (found?.kind === 'set') return `The gateway on ${base} has another admin key than the one that is set here as admin.key.`;
  const instead = 'ask in the folder and with the --config of the gateway, as the user who runs it, or set HEADGATE_ADMIN__KEY';
  return found === null
    ? `The gateway on ${base} asks for its admin key, and there is none in ${file}: ${instead}.`
    : `The gateway on ${base} has another admin key than the one in ${file}: ${instead}.`;
}

/** Says what is wrong. @returns the exit code */
export function failed(message: string): number {
  process.stderr.write(`headgate: ${message}\n`);
  return EXIT_FAILED;
}
