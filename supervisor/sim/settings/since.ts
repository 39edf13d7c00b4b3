/** A way in which versions of vLLM that the profiles allow differ, as far as a client, the gateway or the supervisor can see it. */
interface Change {
  /** The first version in which it was seen; it may be older by one or two. */
  readonly since: string;
  readonly now: string;
  readonly before: string;
}

/** The simulation does what 0.32 does. What stands here was seen in runs of both, or in the sources of both. */
export const CHANGES: readonly Change[] = [
  {
    since: '0.32',
    now: 'max_tokens that the context cannot hold beside the prompt are cut off',
    before: 'refused with 400, "maximum context length"',
  },
  {
    since: '0.32',
    now: '--max-num-queued-reqs, --max-num-queued-tokens: 503, counted in vllm:admission_rejections_total',
    before: 'any number of requests waited',
  },
  { since: '0.32', now: 'a chosen or required tool needs --tool-call-parser', before: 'it was held to its schema without one' },
  {
    since: '0.32',
    now: 'new calls during an orderly stop: 500, "cannot schedule new futures after shutdown"',
    before: '200 with finish_reason "abort"',
  },
  {
    since: '0.32',
    now: 'a failed start names no process: "Failed core proc(s): {}"',
    before: '"Failed core proc(s): {\'EngineCore\': 1}"',
  },
  {
    since: '0.32',
    now: 'where Triton is there, the second model runner: plain torch.OutOfMemoryError',
    before: 'texts of its own for weights and sampler (VLLM_USE_V2_MODEL_RUNNER chooses)',
  },
  {
    since: '0.32',
    now: 'refused bodies: loc is a text, containers only by their size',
    before: 'loc was a tuple, the whole input was quoted',
  },
  {
    since: '0.32',
    now: 'scale-out routes (render, /inference/v1/generate) are 403 without --enable-scale-out',
    before: 'they were open',
  },
  { since: '0.33', now: 'the help writes --disable-x for --enable-x, and takes --no-enable-x all the same', before: '--no-enable-x' },
];

/** The table as lines of a help text. */
export function changeLines(): string[] {
  return CHANGES.flatMap(({ since, now, before }) => [`  since ${since}: ${now}`, `    before: ${before}`]);
}
