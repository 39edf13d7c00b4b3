/**
 * Files and batches. A file that was deleted has expired at 0; its row stays until its bytes are gone. The lines of one validation are a lot:
 * one that nobody needs any more is marked, and taken away by and by. A slice's `next_rank` is its first line that has not ended.
 */
export const BATCH_TABLES = `
  CREATE TABLE files (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL, filename TEXT NOT NULL, purpose TEXT NOT NULL, expires_at INTEGER
  ) STRICT;
  CREATE INDEX files_by_time ON files (created_at, seq);
  CREATE INDEX files_by_owner ON files (owner, created_at, seq);
  CREATE INDEX files_by_end ON files (expires_at) WHERE expires_at IS NOT NULL;
  CREATE TABLE files_total (bytes INTEGER NOT NULL) STRICT;
  INSERT INTO files_total VALUES (0);
  CREATE TABLE batches (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, endpoint TEXT NOT NULL,
    input_file TEXT NOT NULL, completion_window TEXT NOT NULL, metadata TEXT, output_expires_after_s INTEGER,
    status TEXT NOT NULL, is_open INTEGER NOT NULL, errors TEXT, model TEXT, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    in_progress_at INTEGER, finalizing_at INTEGER, completed_at INTEGER, failed_at INTEGER, expired_at INTEGER, cancelling_at INTEGER,
    cancelled_at INTEGER, output_file TEXT, error_file TEXT, total INTEGER NOT NULL DEFAULT 0, completed INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0, input_tokens INTEGER NOT NULL DEFAULT 0, cached_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0, reasoning_tokens INTEGER NOT NULL DEFAULT 0, pause_reason TEXT, pause_until INTEGER,
    lot INTEGER, holder TEXT, epoch INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX batches_by_time ON batches (created_at, seq);
  CREATE INDEX batches_by_owner ON batches (owner, created_at, seq);
  CREATE INDEX batches_open ON batches (input_file) WHERE is_open = 1;
  CREATE INDEX batches_held ON batches (holder) WHERE holder IS NOT NULL;
  CREATE TABLE lots (lot INTEGER PRIMARY KEY AUTOINCREMENT, is_over INTEGER NOT NULL DEFAULT 0) STRICT;
  CREATE INDEX lots_over ON lots (lot) WHERE is_over = 1;
  CREATE TABLE lines (
    lot INTEGER NOT NULL, rank INTEGER NOT NULL, number INTEGER NOT NULL, first_byte INTEGER NOT NULL, bytes INTEGER NOT NULL,
    model INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (lot, rank)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE line_models (
    lot INTEGER NOT NULL, model INTEGER NOT NULL, name TEXT NOT NULL, waiting INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (lot, model), UNIQUE (lot, name)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE slices (
    lot INTEGER NOT NULL, slice INTEGER NOT NULL, waiting INTEGER NOT NULL, next_rank INTEGER NOT NULL, next_model INTEGER NOT NULL,
    holder TEXT, epoch INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (lot, slice)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX slices_held ON slices (holder) WHERE holder IS NOT NULL;
  CREATE TABLE journals (
    batch INTEGER NOT NULL, holder TEXT NOT NULL, output_bytes INTEGER NOT NULL, error_bytes INTEGER NOT NULL,
    PRIMARY KEY (batch, holder)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE batch_holders (id TEXT PRIMARY KEY, pid INTEGER, started_at TEXT, seen_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;`;
