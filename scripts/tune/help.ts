/** What `headgate tune --help` says. */
export const TUNE_HELP = `Usage: headgate tune [--model ID] [--profile NAME] [--engine auto|vllm|sim] [--grid FLAG=VALUE,VALUE …] [FLAGS]

Finds the engine settings with which a model makes most output tokens a second on this card within the objectives. Each point of the grid is
launched as "headgate serve" would have it, on free ports and in a state folder of its own, warmed up, loaded, measured and stopped. A point
whose engine runs out of memory, or would run only with relaxed settings, is out, and so is whatever must be worse: each point that is not
launched is told with its reason. The best becomes a tuning for "headgate serve --tuning NAME". Results: a table, and below experiments/runs
a result.json and a report.html with heat maps.

What is tried:
  --grid FLAG=V,V,…     values of a flag of vllm serve (repeatable): --grid max-num-seqs=64,128 --grid gpu-memory-utilization=0.88,0.92.
                        Default: "tune" of the GPU profile, else max-num-seqs 64, 128, 256 by max-num-batched-tokens 4096, 8192, 16384
  --search grid|halving grid (default): every point. halving: halves the range of one flag after the other, then launches once more what the
                        noise of loads may have put into its order, and what lies beside it: half of the launches at most (as many as it
                        takes to halve every flag, where a grid is small), and right where a card gets better with a flag until something
                        ends it
  --no-prune            launches also what must be worse
  --quick               at most three values a flag, loads of 5 s, one repeat

How each is measured:
  (default)             a closed loop with a tenth more clients than max-num-seqs keeps every place taken: that is how many tokens a second
                        the point makes. Then calls come by themselves (a Poisson process) at 80 % of the calls a second that it managed:
                        that is how long callers wait, and what the objectives are held against
  --rate, --clients, …  one load instead, as "headgate load" takes it ("headgate load --help"); both figures are of it. Broken objectives
                        then rule out nothing but the point itself. --input, --output, --prompts, --extra and the like hold for either
  --duration T          of each load (default 30s)
  --repeats N           loads of each point, of whose figures the medians count (default 3)
  --seed N              repeats the calls exactly (default 1)
  --slo NAME:MS …       what 95 of 100 calls must keep to: e2e, ttft, tpot, itl (default e2e:5000)
  --max-errors SHARE    the most that may fail (default 0.1%)

The run:
  --resume FOLDER       goes on with that run, which must be about the same. A run about the same that was cut short in this folder is gone on
                        with by itself, and what it left running is ended; --fresh begins anew
  --name NAME           of the tuning (default: tuned-MODEL-PROFILE); one that "headgate tune" has not written is left alone
  --no-check            does not start the engine once more with the tuning in the end
  --json                result.json on standard output instead of the table
  --config, --model, --profile, --engine   as for "headgate serve"

It needs the card for itself: no supervisor may run in this folder. Ctrl-C stops the engine and leaves what was measured.
Exit codes: 0 a best point was found, 1 none (or its tuning does not serve, or interrupted), 2 wrong usage, 64 settings invalid, 130 interrupted twice.
`;
