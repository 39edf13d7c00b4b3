/** What is left of calls once all have ended, wherever it is looked for. */
export interface Left {
  /** GET /stats. */
  readonly inFlight: number;
  readonly queued: number;
  readonly held: number;
  readonly atWorkers: number;
  /** `headgate_requests_in_flight` at GET /metrics. */
  readonly metricsInFlight: number;
  /** Requests that a worker still has. */
  readonly openAtWorkers: number;
  /** Sockets of the gateway's process that clients have left, or that nobody is at the other end of. */
  readonly sockets: number;
  /** Open files beyond what a gateway at rest has. */
  readonly files: number;
}

export const NOTHING_LEFT: Left = {
  inFlight: 0,
  queued: 0,
  held: 0,
  atWorkers: 0,
  metricsInFlight: 0,
  openAtWorkers: 0,
  sockets: 0,
  files: 0,
};

const WORDS: Readonly<Record<keyof Left, string>> = {
  inFlight: 'calls in flight',
  queued: 'calls in the queue',
  held: 'calls in the window',
  atWorkers: 'calls counted at workers',
  metricsInFlight: 'requests in flight by /metrics',
  openAtWorkers: 'requests that a worker still has',
  sockets: 'sockets that nobody uses',
  files: 'open files too many',
};

/** What leaks, in words. */
export function leaks(left: Left): string[] {
  return (Object.keys(WORDS) as (keyof Left)[]).filter((name) => left[name] !== 0).map((name) => `leaked: ${left[name]} ${WORDS[name]}`);
}

/** `calls/sockets`, as the table shows them. */
export function leakedText({ inFlight, queued, held, atWorkers, openAtWorkers, sockets, files }: Left): string {
  return `${Math.max(inFlight + queued + held, atWorkers, openAtWorkers)}/${sockets + files}`;
}
