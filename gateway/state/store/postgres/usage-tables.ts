/**
 * The same as in a file (sqlite/migrations.ts), but for when a holder was seen, which piece of a batch was written last, and that a budget of which something is wanted has a row from
 * then on, which those lock who take of it.
 */
export const USAGE_TABLES = `
  SET LOCAL search_path = headgate;
  CREATE TABLE usage (
    hour bigint NOT NULL, key text NOT NULL, model text NOT NULL, requests bigint NOT NULL, prompt_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL, completion_tokens bigint NOT NULL,
    PRIMARY KEY (hour, key, model)
  ) WITH (fillfactor = 50);
  CREATE TABLE spent (
    subject text NOT NULL, period text NOT NULL, tokens bigint NOT NULL, ends_at bigint NOT NULL,
    PRIMARY KEY (subject, period)
  ) WITH (fillfactor = 50);
  CREATE INDEX spent_by_end ON spent (ends_at);
  CREATE TABLE grants (
    subject text NOT NULL, period text NOT NULL, holder text NOT NULL, tokens bigint NOT NULL,
    PRIMARY KEY (subject, period, holder)
  ) WITH (fillfactor = 50);
  CREATE TABLE usage_holders (
    id text PRIMARY KEY, last_batch bigint NOT NULL, last_piece integer NOT NULL, seen_at timestamptz NOT NULL
  ) WITH (fillfactor = 50);
  CREATE TABLE identity (id text NOT NULL);
  INSERT INTO identity VALUES (left(md5(random()::text || clock_timestamp()::text || pg_backend_pid()::text), 16));`;
