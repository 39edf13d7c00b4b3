import { GatewayError } from '../core/errors.ts';
import { StoreFailed } from '../state/store/store-failed.ts';

const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** What the client is told of what the disk, or the store, has said. Refusals that were meant for him stay as they are. */
export function fileTrouble(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  if (thrown instanceof StoreFailed) {
    return thrown.trouble === 'full'
      ? diskFull(thrown)
      : new GatewayError('store_unavailable', 'Files, or what is known of them, cannot be read or written down at the moment.', {
          cause: thrown,
        });
  }
  const { code } = thrown as NodeJS.ErrnoException;
  if (code === undefined) return new GatewayError('internal', 'The gateway failed to handle the file.', { cause: thrown });
  if (FULL.has(code)) return diskFull(thrown);
  return new GatewayError('store_unavailable', `Files cannot be written or read at the moment (${code}).`, { cause: thrown });
}

function diskFull(cause: unknown): GatewayError {
  return new GatewayError('storage_full', 'There is no room left on the disk that files are kept on.', { cause });
}
