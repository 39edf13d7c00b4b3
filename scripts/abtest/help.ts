/** What `headgate abtest --help` says. */
export const ABTEST_HELP = `Usage: headgate abtest [URL] --window 0,20,50 [FLAGS]

Compares settings, models or servers under load on one system that runs, and says which to keep. Each block holds every arm once, in an order
of chance, with the same arrivals and lengths but prompts that no cache knows (beyond --prefix-groups). The first is the baseline. Each other
is compared with it block by block; what is called different is so with the confidence asked for, all judged figures of all arms together.
Without URL: the gateway that runs here. Results: a verdict, and below experiments/runs a result.json and a report.html.

What is compared (one of these; two values or more):
  --window A,B,…        batch_window.window_ms
  --set PATH=A,B,…      any setting that can be tried on a live gateway (repeatable; paired by position): admission.headroom=0,0.25
  --models A,B,…        models that are loaded side by side
  --urls A,B,…          servers, or gateways in front of groups of workers
  Settings are laid over the gateway's own by its admin key for as long as the test lasts, and end with it, whatever ends it.
  The same value twice is a test of the test: --window 0,0

How long:
  --slot T              what counts of an arm in each block (default 10s)
  --settle T            what does not, before it: an arm takes hold, calls of the one before it end (default 2s)
  --slots N             so many blocks (default 12); or
  --duration T          as many as fit

Judged by:
  --judge NAME,…        ttft, tpot, itl or e2e with mean, p50, p90, p95 or p99 (ttft:p95, tpot:mean), throughput, goodput, errors
                        (default throughput,ttft:p95,e2e:p95, and goodput where --slo is given). Fewer are judged more sharply
  --confidence C        of all intervals together (default 0.95)
  --admin-key KEY       the gateway's, with which settings are tried; that of the gateway here is found
  --slo NAME:MS …       objectives of each call for goodput: ttft, tpot, itl, e2e

The load, as "headgate load --help" tells: --rate (default 5 a second), --burstiness, --constant, --clients, --most-at-once, --model, --endpoint,
--no-stream, --input, --output, --prefix-groups, --prefix-tokens, --prompts, --extra, --cancel, --warmup, --timeout, --key, --header, --config,
--host, --port; and
  --seed N              of the orders, arrivals and lengths (default 1)
  --label TEXT          the title of the report
  --out FOLDER          where result.json and report.html go (default: experiments/runs/DATE-abtest-ID)
  --save-calls          each call into result.json, too
  --json                result.json on standard output instead of the verdict

Exit codes: 0 a valid test, whatever it shows; 1 none (invalid, stopped, interrupted), 2 wrong usage, 130 interrupted twice.
`;
