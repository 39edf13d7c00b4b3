/** What `headgate release-gate --help` says. */
export const GATE_HELP = `Usage: headgate release-gate [URL] [--preset personal|team | --criteria FILE] [FLAGS]

Puts a server through what a release has to withstand, and says of each criterion in words whether it is kept. It measures how many
calls a second the server can do, and runs in turn, as shares of that:
  STEP    25, 50, 75, 100, 125, 150 %: the limits hold at 75 %, and beyond 100 % it goes on doing what it can
  SPIKE   ten times a quiet load for 10 s: it recovers, refuses quickly, and with nothing but 503 and 429
  CANCEL  30 % of the clients leave in the middle: soon no worker works for them any more
  FAIR    one key floods, another is answered as before (needs --flood-key)
  DRAIN   each worker is drained and comes back under load: no stream breaks (needs the admin key, and two workers)
  SOAK    70 % for long: memory (from 10 minutes on), open files and p99 do not grow
What cannot be run is skipped by name, and what cannot be told is not called passed. Without URL: the gateway that runs here. Results:
below experiments/runs, a result.json and a report.html. It loads the server fully: not for one that people use at the moment.

Judged by:
  --preset NAME         personal (default): p95 of 10 s to the first token and 30 s to the end · team: 200 ms and 5 s, errors at most 0.1 %
  --criteria FILE       YAML: limits, step, spike, soak, drain, cancel, fair, canary; what is left out is as usual

How:
  --only NAMES          step,spike,cancel,fair,drain,soak: some of them
  --quick               all times a seventh, the soak a minute: to try it, not to rely on
  --soak T              how long the soak takes (default 30m; 24h for a release)
  --capacity R          calls a second that the server can do, instead of measuring it
  --input LENGTH        tokens of a prompt (default lognormal:128:0.5), and
  --output LENGTH       of an answer (default lognormal:64:0.5), as for "headgate load"
  --model ID            default: the first of the server's
  --seed N              repeats its chance (default 1)
  --out FOLDER          where the results go (default: experiments/runs/DATE-release-gate-ID)
  --json                result.json on standard output

Whom:
  --key KEY             a client's key; else $HEADGATE_API_KEY or $OPENAI_API_KEY
  --flood-key KEY       another client's
  --admin-key KEY       the gateway's; that of the gateway here is found
  --config, --host, --port  where the gateway of this machine is looked for

Exit codes: 0 it may be released, 1 it may not (or nothing could be told, or it was interrupted), 2 wrong usage, 64 wrong criteria,
130 interrupted twice.
`;
