/** The same as in a file (sqlite/batch-tables.ts), but for when a holder was seen, and by what ticket a slice was claimed. */
export const BATCH_TABLES = `
  SET LOCAL search_path = headgate;
  CREATE TABLE files (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text NOT NULL UNIQUE, owner text NOT NULL, bytes bigint NOT NULL,
    created_at bigint NOT NULL, filename text NOT NULL, purpose text NOT NULL, expires_at bigint
  );
  CREATE INDEX files_by_time ON files (created_at, seq);
  CREATE INDEX files_by_owner ON files (owner, created_at, seq);
  CREATE INDEX files_by_end ON files (expires_at) WHERE expires_at IS NOT NULL;
  CREATE TABLE files_total (bytes bigint NOT NULL);
  INSERT INTO files_total VALUES (0);
  CREATE TABLE batches (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text NOT NULL UNIQUE, owner text NOT NULL, endpoint text NOT NULL,
    input_file text NOT NULL, completion_window text NOT NULL, metadata text, output_expires_after_s bigint,
    status text NOT NULL, is_open boolean NOT NULL, errors text, model text, created_at bigint NOT NULL, expires_at bigint NOT NULL,
    in_progress_at bigint, finalizing_at bigint, completed_at bigint, failed_at bigint, expired_at bigint, cancelling_at bigint,
    cancelled_at bigint, output_file text, error_file text, total integer NOT NULL DEFAULT 0, completed integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0, input_tokens bigint NOT NULL DEFAULT 0, cached_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0, reasoning_tokens bigint NOT NULL DEFAULT 0, pause_reason text, pause_until bigint,
    lot bigint, holder text, epoch integer NOT NULL DEFAULT 0
  ) WITH (fillfactor = 50);
  CREATE INDEX batches_by_time ON batches (created_at, seq);
  CREATE INDEX batches_by_owner ON batches (owner, created_at, seq);
  CREATE INDEX batches_open ON batches (input_file) WHERE is_open;
  CREATE INDEX batches_held ON batches (holder) WHERE holder IS NOT NULL;
  CREATE TABLE lots (lot bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, is_over boolean NOT NULL DEFAULT false);
  CREATE INDEX lots_over ON lots (lot) WHERE is_over;
  CREATE TABLE lines (
    lot bigint NOT NULL, rank integer NOT NULL, number integer NOT NULL, first_byte bigint NOT NULL, bytes integer NOT NULL,
    model integer NOT NULL, state smallint NOT NULL DEFAULT 0, attempts integer NOT NULL DEFAULT 0,
    PRIMARY KEY (lot, rank)
  ) WITH (fillfactor = 80);
  CREATE TABLE line_models (
    lot bigint NOT NULL, model integer NOT NULL, name text NOT NULL, waiting integer NOT NULL DEFAULT 0,
    PRIMARY KEY (lot, model), UNIQUE (lot, name)
  );
  CREATE TABLE slices (
    lot bigint NOT NULL, slice integer NOT NULL, waiting integer NOT NULL, next_rank integer NOT NULL, next_model integer NOT NULL,
    holder text, ticket text, epoch integer NOT NULL DEFAULT 0,
    PRIMARY KEY (lot, slice)
  );
  CREATE INDEX slices_held ON slices (holder) WHERE holder IS NOT NULL;
  CREATE TABLE journals (
    batch bigint NOT NULL, holder text NOT NULL, output_bytes bigint NOT NULL, error_bytes bigint NOT NULL,
    PRIMARY KEY (batch, holder)
  );
  CREATE TABLE batch_holders (id text PRIMARY KEY, pid integer, started_at text, seen_at timestamptz NOT NULL);`;
