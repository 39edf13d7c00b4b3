/** What `headgate load --help` says. */
export const LOAD_HELP = `Usage: headgate load [URL] [FLAGS] [--slo ttft:500 tpot:50 e2e:5000]

Sends calls to an OpenAI server and says how long their clients waited: first token (TTFT), each token (TPOT, ITL), whole answer (E2E).
Calls are sent at their moments whether or not the server keeps up, and each counts from the moment at which it was due, so that a server
that stalls shows it. Without URL: the gateway that runs here. Results: a table, and below experiments/runs a result.json with the keys of
"vllm bench serve" and a report.html. A run whose own calls were late (p99 over 50 ms, or under 98 % of its rate) is called invalid.

How many, when:
  --rate R              calls a second (default 5), by a Poisson process
  --duration T          30s (default), 5m, 1h
  --calls N             so many calls instead of a time
  --burstiness B        1 = Poisson; below 1 in bursts (0.25: harsh), above 1 more even: the shape of a gamma distribution
  --constant            evenly
  --ramp FROM:TO        the rate grows or falls from one to the other over the time
  --steps R,R:T,…       one rate after another, each as long as --duration or its own T says: 5,10,50:10s,10
  --trace FILE          as recorded: Mooncake's JSONL or Azure's CSV; --speed 2 runs it twice as fast
  --clients N           a closed loop instead: N clients, each of which waits for its answer. It hides what a stall does to others
  --most-at-once N      holds calls back beyond so many under way; they count as waiting meanwhile

What:
  --model ID            default: the first of the server's
  --endpoint NAME       chat (default), completions, embeddings
  --no-stream           whole answers
  --input LENGTH        tokens of a prompt: 256, uniform:10:500 or lognormal:128:0.5 (the default: median and sigma)
  --output LENGTH       max_tokens, written alike (default lognormal:64:0.5)
  --prefix-groups N     prompts of a group begin alike, with --prefix-tokens tokens (default 256)
  --prompts FILE        JSONL of {"prompt"}, {"messages"}, lines of a batch or ShareGPT's, over and over
  --extra JSON|@FILE    into each body: '{"temperature": 0, "ignore_eos": true}'
  --cancel SHARE        this share of the streams is left in the middle
  --warmup N            calls before the load that do not count (default 1)
  --seed N              repeats a run exactly (default 1)

Judged by, shown as:
  --slo NAME:MS …       objectives of each call for goodput: ttft, tpot, itl, e2e
  --timeout T           the longest that a call may take (default 10m)
  --label TEXT          the title of the report
  --out FOLDER          where result.json and report.html go (default: experiments/runs/DATE-load-ID)
  --save-calls          each call into result.json, too
  --json                result.json on standard output instead of the table

Whom:
  --key KEY             a client's key; else $HEADGATE_API_KEY or $OPENAI_API_KEY
  --header 'NAME: VALUE'  (repeatable)
  --config, --host, --port  where the gateway of this machine is looked for

Exit codes: 0 a valid run, 1 none (invalid, nothing answered, interrupted), 2 wrong usage, 130 interrupted twice.
`;
