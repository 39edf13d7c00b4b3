export interface DeadlineSettings {
  readonly stream_total_ms: number;
  readonly request_total_ms: number;
}

/** How long a call may take in all, from its arrival to its last byte, waiting included. */
export function totalMs(settings: DeadlineSettings, stream: boolean): number {
  return stream ? settings.stream_total_ms : settings.request_total_ms;
}
