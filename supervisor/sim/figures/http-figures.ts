import { Histogram } from './histogram.ts';
import { type Labels, PrometheusPage } from './prometheus-page.ts';

/** What the instrumentator of vLLM's front end does not count (vllm/entrypoints/serve/instrumentator/metrics.py of 0.32). */
const UNCOUNTED = new Set(['/metrics', '/health', '/load', '/ping', '/version', '/server_info', '/sim/fault']);
const FINE = [0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 7.5, 10, 30, 60];
const COARSE = [0.1, 0.5, 1];

interface Answered {
  /** The route as it is written, its parameters in braces; null for a path that has none. */
  readonly route: string | null;
  readonly method: string;
  readonly status: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly seconds: number;
}

interface Size {
  count: number;
  sum: number;
}

const SIZE_HELP = 'Only value of header is respected. Otherwise ignored. No percentile calculated. ';

/** How many requests there were and how long they took, by route. */
export class HttpFigures {
  readonly #requests = new Map<string, { readonly labels: Labels; count: number }>();
  readonly #requestSizes = new Map<string, Size>();
  readonly #responseSizes = new Map<string, Size>();
  readonly #all = new Histogram(FINE);
  readonly #durations = new Map<string, { readonly labels: Labels; readonly histogram: Histogram }>();

  observe({ route, method, status, requestBytes, responseBytes, seconds }: Answered): void {
    if (route !== null && UNCOUNTED.has(route)) return;
    const handler = route ?? 'none';
    const labels = { handler, method, status: `${Math.floor(status / 100)}xx` };
    const key = Object.values(labels).join(' ');
    const seen = this.#requests.get(key) ?? { labels, count: 0 };
    seen.count++;
    this.#requests.set(key, seen);
    add(this.#requestSizes, handler, requestBytes);
    add(this.#responseSizes, handler, responseBytes);
    this.#all.observe(seconds);
    const timed = this.#durations.get(`${handler} ${method}`) ?? { labels: { handler, method }, histogram: new Histogram(COARSE) };
    timed.histogram.observe(seconds);
    this.#durations.set(`${handler} ${method}`, timed);
  }

  /** `created`: seconds since the epoch. */
  render(created: number): string {
    const page = new PrometheusPage({}, created);
    const sizes = (map: ReadonlyMap<string, Size>) => [...map].map(([handler, size]) => [{ handler }, size] as const);
    page.counter(
      'http_requests',
      'Total number of requests by method, status and handler.',
      [...this.#requests.values()].map(({ labels, count }) => [labels, count] as const),
    );
    page.summary('http_request_size_bytes', `Content length of incoming requests by handler. ${SIZE_HELP}`, sizes(this.#requestSizes));
    page.summary('http_response_size_bytes', `Content length of outgoing responses by handler. ${SIZE_HELP}`, sizes(this.#responseSizes));
    page.histogram(
      'http_request_duration_highr_seconds',
      'Latency with many buckets but no API specific labels. Made for more accurate percentile calculations. ',
      this.#all,
    );
    page.histograms(
      'http_request_duration_seconds',
      'Latency with only few buckets by handler. Made to be only used if aggregation by handler is important. ',
      [...this.#durations.values()].map(({ labels, histogram }) => [labels, histogram] as const),
    );
    return page.toString();
  }
}

function add(sizes: Map<string, Size>, handler: string, bytes: number): void {
  const size = sizes.get(handler) ?? { count: 0, sum: 0 };
  size.count++;
  size.sum += bytes;
  sizes.set(handler, size);
}
