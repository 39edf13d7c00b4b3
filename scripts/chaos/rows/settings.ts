type Section = Readonly<Record<string, unknown>>;

/** Short limits, so that a fault is over in seconds; everything else is what a gateway has by itself. */
const CHAOS_SETTINGS: Readonly<Record<string, Section>> = {
  admission: { max_queue: 60, queue_timeout_ms: 4_000 },
  timeouts: {
    ...{ connect_ms: 1_000, first_token_ms: 2_000, idle_ms: 2_000, stream_total_ms: 8_000 },
    ...{ request_total_ms: 5_000, stream_max_ms: 10_000, request_max_ms: 8_000 },
  },
  circuit_breaker: { failures: 3, open_ms: 500, success_to_close: 1 },
  batch_window: { window_ms: 10, max_batch_size: 4 },
  load_balancer: { slow_start_ms: 0 },
  pressure: { scrape_interval_ms: 100 },
  shutdown: { settle_ms: 0, grace_ms: 4_000 },
  stream: { keep_alive_ms: 300 },
};

/** What a client may wait at most by these settings: in the queue, then for its answer; the rest is for a busy machine. */
export const LIMIT_MS = 4_000 + 10_000 + 6_000;

/** Settings with these sections laid over. A list, such as that of workers, is taken whole. */
export function settingsWith(over: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  const merged: Record<string, unknown> = { ...CHAOS_SETTINGS };
  for (const [name, section] of Object.entries(over))
    merged[name] = Array.isArray(section) ? section : { ...CHAOS_SETTINGS[name], ...(section as Section) };
  return merged;
}

/** Entries of `workers`. */
export function workersAt(urls: readonly string[], maxSeqs = 16): readonly Section[] {
  return urls.map((url) => ({ url, max_num_seqs: maxSeqs }));
}
