import type { Sql } from 'postgres';
import type { Statements } from './statements.ts';

/** What the client library and the system say when there is no connection. */
const NO_CONNECTION =
  /^(?:CONNECT_TIMEOUT|CONNECTION_(?:CLOSED|ENDED|DESTROYED)|ECONN\w+|EHOST\w+|ENET\w+|ENOTFOUND|EAI_\w+|EPIPE|ETIMEDOUT|ENOENT|EACCES|CERT_\w+|ERR_TLS\w*)$/;

/**
 * All of it or nothing; what follows a lock sees all that was done before it, whatever the server takes for a default.
 *
 * Not by the library's own `begin`: that writes its ROLLBACK to a connection that is gone, and does so later, where nobody can catch what is
 * thrown: the process would end with the server.
 */
export async function transact<T>(pool: Sql, act: (sql: Statements) => Promise<T>): Promise<T> {
  const sql = await pool.reserve();
  try {
    await sql.unsafe('BEGIN ISOLATION LEVEL READ COMMITTED');
    const result = await act(sql);
    const { command } = await sql.unsafe('COMMIT');
    // Something has failed, and nobody has told.
    if (command !== 'COMMIT') throw new Error('the transaction has been rolled back');
    sql.release();
    return result;
  } catch (error) {
    // The library itself looks after one that is lost.
    const isThere = !isLost(error) && (await rolledBack(sql));
    if (isThere) sql.release();
    throw error;
  }
}

/** There is no connection. */
export function isUnconnected(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && NO_CONNECTION.test(code);
}

/** The server has ended this one, or it is gone. */
function isLost(error: unknown): boolean {
  return isUnconnected(error) || (error as { severity?: unknown }).severity === 'FATAL';
}

async function rolledBack(sql: Statements): Promise<boolean> {
  try {
    await sql.unsafe('ROLLBACK');
    return true;
  } catch {
    return false;
  }
}
