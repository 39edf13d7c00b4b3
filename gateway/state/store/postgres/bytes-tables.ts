/**
 * Bytes of files, in chunks of one size, and journals of batches, in parts as they were written. Neither is compressed: that takes longer than
 * writing it does, and a part of a chunk can be read by itself. `state`: 0 a draft, 1 the bytes of its id, 2 nobody's.
 */
export const BYTES_TABLES = `
  SET LOCAL search_path = headgate;
  CREATE TABLE file_bytes (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text NOT NULL, state smallint NOT NULL DEFAULT 0, bytes bigint NOT NULL DEFAULT 0,
    used_at timestamptz NOT NULL DEFAULT clock_timestamp()
  ) WITH (fillfactor = 50);
  CREATE UNIQUE INDEX file_bytes_kept ON file_bytes (id) WHERE state = 1;
  CREATE INDEX file_bytes_left ON file_bytes (seq) WHERE state <> 1;
  CREATE TABLE file_chunks (file bigint NOT NULL, number integer NOT NULL, data bytea NOT NULL, PRIMARY KEY (file, number));
  ALTER TABLE file_chunks ALTER COLUMN data SET STORAGE EXTERNAL;
  CREATE TABLE journal_bytes (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, batch text NOT NULL, holder text NOT NULL, side text NOT NULL, ticket bigint NOT NULL,
    UNIQUE (batch, holder, side)
  ) WITH (fillfactor = 50);
  CREATE TABLE journal_parts (journal bigint NOT NULL, first_byte bigint NOT NULL, data bytea NOT NULL, PRIMARY KEY (journal, first_byte));
  ALTER TABLE journal_parts ALTER COLUMN data SET STORAGE EXTERNAL;`;
