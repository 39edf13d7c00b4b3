import type { EngineValue } from '../../gateway/config/schema/settings.ts';
import type { FailureClass } from '../failure/table.ts';
import { comfortable } from '../gpu/memory.ts';
import type { LadderQuestion, Relaxation, SettingChange } from './step.ts';

type Step = Omit<Relaxation, 'class'>;
/** One rung: the step it stands for here and now, or null where it has nothing (more) to give. */
type Rung = (question: LadderQuestion) => Step | null;

/** What vLLM takes when it is told nothing, on cards below 70 GiB. */
const DEFAULTS: Readonly<Record<string, number>> = { gpu_memory_utilization: 0.92, max_num_seqs: 256, max_num_batched_tokens: 2048 };
/** vLLM itself captures no more sizes than this. */
const MOST_GRAPHS = 512;
const FEWEST_SEQS = 4;
const FEWEST_TOKENS = 512;
/** So little of its part of the card leaves a worker that is hardly worth having. */
const LEAST_UTILIZATION = 0.75;
/** A few hundred MiB on the cards this is made for: enough for what a step of the model may take unforeseen. */
const UTILIZATION_STEP = 0.03;
/** So little too little is CUDA's own context turning out larger than expected, or too little to wait for. */
const SMALL_SHORTAGE_GIB = 0.3;
/** vLLM names hundredths of a GiB, rounded. */
const ROUNDED_GIB = 0.005;
/** What must stay on the card of weights that are partly kept in main memory. */
const MOST_OFFLOADED_SHARE = 0.5;
/** Memory of a card that never holds weights (CUDA's own, activations and a small KV cache): to be comfortable, and to start at all. */
const COMFORTABLE_REST_GIB = 2;
const LEAST_REST_GIB = 1;

function value(question: LadderQuestion, key: string): EngineValue | undefined {
  return question.setup.engine[key] ?? undefined;
}

function number(question: LadderQuestion, key: string): number {
  const given = value(question, key);
  return typeof given === 'number' ? given : (DEFAULTS[key] ?? 0);
}

function step(question: LadderQuestion, key: string, to: EngineValue, reason: string, from: EngineValue = asGiven(question, key)): Step {
  const change: SettingChange = { kind: 'engine', key, value: to };
  return { setting: key, from: String(from), to: String(to), reason, change };
}

function asGiven(question: LadderQuestion, key: string): EngineValue {
  return value(question, key) ?? DEFAULTS[key] ?? 'default';
}

/** How many steps on this setting have been taken for this class. */
function times(question: LadderQuestion, key: string): number {
  return question.taken.filter(({ setting, class: name }) => setting === key && name === question.class).length;
}

function halveSeqs(reason: string, most = Infinity): Rung {
  return (question) => {
    const seqs = number(question, 'max_num_seqs');
    if (seqs <= FEWEST_SEQS || times(question, 'max_num_seqs') >= most) return null;
    return step(question, 'max_num_seqs', Math.max(FEWEST_SEQS, Math.floor(seqs / 2)), reason);
  };
}

function halveTokens(reason: string, most = Infinity): Rung {
  return (question) => {
    const tokens = number(question, 'max_num_batched_tokens');
    // vLLM refuses fewer than it may have sequences, and fewer than a whole context where prompts are not cut.
    const context = value(question, 'enable_chunked_prefill') === false ? number(question, 'max_model_len') || Infinity : 0;
    const floor = Math.max(FEWEST_TOKENS, number(question, 'max_num_seqs'), context);
    if (tokens <= floor || times(question, 'max_num_batched_tokens') >= most) return null;
    return step(question, 'max_num_batched_tokens', Math.max(floor, Math.floor(tokens / 2)), reason);
  };
}

function isEager(question: LadderQuestion): boolean {
  return value(question, 'enforce_eager') === true || value(question, 'optimization_level') === '0';
}

function captureAtMost(size: number, reason: string): Rung {
  return (question) => {
    if (isEager(question) || Array.isArray(value(question, 'cudagraph_capture_sizes'))) return null;
    const given = value(question, 'max_cudagraph_capture_size');
    const now = typeof given === 'number' ? given : Math.min(2 * number(question, 'max_num_seqs'), MOST_GRAPHS);
    return now > size ? step(question, 'max_cudagraph_capture_size', size, reason, now) : null;
  };
}

function eager(reason: string): Rung {
  return (question) => (isEager(question) ? null : step(question, 'enforce_eager', true, reason, false));
}

function rounded(share: number): number {
  return Math.round(share * 1000) / 1000;
}

function lowerUtilization(reason: string, most = Infinity): Rung {
  return (question) => {
    const share = number(question, 'gpu_memory_utilization');
    const floor = Math.max(LEAST_UTILIZATION * question.limits.share, question.limits.minUtilization);
    const next = rounded(share - UTILIZATION_STEP);
    if (next < floor || times(question, 'gpu_memory_utilization') >= most) return null;
    return step(question, 'gpu_memory_utilization', next, reason);
  };
}

function raiseUtilization(by: number, reason: string): Rung {
  return (question) => {
    const next = rounded(number(question, 'gpu_memory_utilization') + by);
    return next > question.limits.maxUtilization ? null : step(question, 'gpu_memory_utilization', next, reason);
  };
}

/** Down to what can be had: at once where no waiting brings more, otherwise when it has not. */
const shareWhatIsFree: Rung = (question) => {
  const { freeGib, totalGib, wantedGib, mostUtilization, patienceOver = false } = question.evidence;
  const total = totalGib ?? question.limits.cardGib;
  const share = number(question, 'gpu_memory_utilization');
  const isBeyond = mostUtilization !== undefined && share > mostUtilization;
  if (freeGib === undefined || total === null) return null;
  const isShort = wantedGib !== undefined && wantedGib - freeGib < SMALL_SHORTAGE_GIB;
  if (!isBeyond && !isShort && !patienceOver) return null;
  const next = isBeyond ? mostUtilization : comfortable(Math.floor(((freeGib - ROUNDED_GIB) / total) * 100) / 100);
  if (next >= share || next < question.limits.minUtilization) return null;
  const held = isShort
    ? 'CUDA itself, or another process, holds the rest of the card'
    : 'another process holds the rest of the card and has not let go of it';
  const why = isBeyond ? 'CUDA itself takes the rest of the card, whoever else uses it' : `${held}: ${freeGib.toFixed(1)} GiB are free`;
  return step(question, 'gpu_memory_utilization', next, why);
};

const shorterContext: Rung = (question) => {
  const { fittingModelLen, askedModelLen, kvAvailableGib, kvNeededGib } = question.evidence;
  if (fittingModelLen === undefined) return null;
  const fits = Math.floor(fittingModelLen / 256) * 256;
  const asked = askedModelLen ?? number(question, 'max_model_len');
  if (fits < question.limits.minModelLen || fits >= asked) return null;
  const why =
    kvAvailableGib !== undefined && kvNeededGib !== undefined
      ? `the KV cache has ${kvAvailableGib} GiB and ${kvNeededGib} GiB would be needed`
      : 'a longer one does not fit into the KV cache';
  return step(question, 'max_model_len', fits, why, asked);
};

/** A batch's tokens are held beside the window of every sliding layer. */
const smallerWindow: Rung = (question) =>
  question.limits.sliding ? halveTokens('each sliding-window layer keeps two batches beside its window', 1)(question) : null;

const smallerCache: Rung = (question) => {
  const { computeCap } = question.limits;
  if (computeCap === null || (value(question, 'kv_cache_dtype') ?? 'auto') !== 'auto') return null;
  const type = computeCap >= 8.9 ? 'fp8' : 'int8_per_token_head';
  return step(question, 'kv_cache_dtype', type, 'the KV cache takes half the memory in 8 bits', 'auto');
};

const withoutPictures: Rung = (question) => {
  if (!question.limits.vision || value(question, 'language_model_only') === true) return null;
  return step(question, 'language_model_only', true, 'without its image encoder the model is smaller; it now reads text only', false);
};

const smallerWeights: Rung = ({ limits, setup, evidence }) => {
  const known = limits.smaller.findIndex(({ source }) => source === setup.source);
  const cardGib = evidence.totalGib ?? limits.cardGib ?? Infinity;
  // Weights that this card cannot hold either are not worth a start.
  const next = limits.smaller
    .slice(known + 1)
    .find(({ weightsGib }) => weightsGib / limits.gpus + LEAST_REST_GIB <= cardGib * limits.share);
  if (!next) return null;
  const reason = `these weights (${next.name}) take ${next.weightsGib} GiB`;
  return { setting: 'weights', from: setup.source, to: next.source, reason, change: { kind: 'source', value: next.source } };
};

const offload: Rung = (question) => {
  const { cardGib, gpus, smaller } = question.limits;
  const whole = smaller.find(({ source }) => source === question.setup.source)?.weightsGib ?? question.limits.weightsGib;
  if (cardGib === null || whole === null || number(question, 'cpu_offload_gb') > 0) return null;
  // On each card.
  const weightsGib = whole / gpus;
  const missing = Math.ceil(weightsGib + COMFORTABLE_REST_GIB - cardGib * number(question, 'gpu_memory_utilization'));
  if (missing <= 0 || missing > weightsGib * MOST_OFFLOADED_SHARE) return null;
  return step(question, 'cpu_offload_gb', missing, 'the rest of the weights stays in main memory, which is slow', 0);
};

/** Costs only those who ask for them, where a setting of the engine costs everybody; and they are the usual cause. */
const withoutPromptLogprobs: Rung = ({ limits }) => {
  if (!limits.generates) return null;
  const reason = 'the log-probabilities of a whole prompt take memory that vLLM does not set aside';
  return { setting: 'prompt_logprobs', from: 'allowed', to: 'refused', reason, change: { kind: 'refusal', feature: 'prompt_logprobs' } };
};

const growingSegments: Rung = ({ setup }) => {
  const key = 'PYTORCH_CUDA_ALLOC_CONF';
  const to = 'expandable_segments:True';
  const from = setup.env[key] ?? 'default';
  // vLLM's sleep mode refuses to start with them (vllm/device_allocator/cumem.py).
  if (from.includes('expandable_segments') || setup.engine['enable_sleep_mode'] === true) return null;
  return { setting: key, from, to, reason: 'less of the memory is lost in gaps', change: { kind: 'env', key, value: to } };
};

const lazyLoading: Rung = (question) => {
  const given = value(question, 'safetensors_load_strategy') ?? 'default';
  return given === 'lazy'
    ? null
    : step(question, 'safetensors_load_strategy', 'lazy', 'weights are not read into main memory ahead', given);
};

const smallerPictureCache: Rung = (question) => {
  const now = number(question, 'mm_processor_cache_gb') || 4;
  if (!question.limits.vision || now <= 1) return null;
  return step(question, 'mm_processor_cache_gb', 1, 'prepared pictures are kept in main memory', now);
};

const noOffload: Rung = (question) => {
  const now = number(question, 'cpu_offload_gb');
  return now > 0 ? step(question, 'cpu_offload_gb', 0, 'weights were kept in main memory, which ran out', now) : null;
};

/** Only what the kernel has counted is want of main memory for certain: a SIGKILL may be anybody's. */
function ifCounted(rung: Rung): Rung {
  return (question) => ((question.evidence.hostOomKills ?? 0) > 0 ? rung(question) : null);
}

/**
 * The ladder of each class: which settings play a part in it, those that cost least and help most first. A class that is not here has
 * nothing to relax. Every entry was reasoned from how vLLM divides a card: a share of it, less weights, activations of a trial batch and
 * graphs, becomes the KV cache.
 */
export const RUNGS: Readonly<Partial<Record<FailureClass, readonly Rung[]>>> = {
  'busy-vram': [shareWhatIsFree],
  // Sequences, batch and context take no part in loading weights, and neither does the share of the card.
  'oom-weights': [withoutPictures, smallerWeights, offload],
  'oom-sampler': [
    halveSeqs('the sampler’s trial run takes memory for each parallel sequence'),
    halveTokens('fewer tokens at once leave the sampler more room', 2),
  ],
  'oom-profile': [
    halveTokens('the trial run’s memory grows with the tokens of a batch'),
    halveSeqs('the trial run’s memory grows with the parallel sequences'),
    withoutPictures,
  ],
  'kv-too-small': [
    shorterContext,
    smallerWindow,
    smallerCache,
    captureAtMost(8, 'fewer CUDA graphs leave more for the KV cache'),
    eager('without CUDA graphs there is more for the KV cache, at the cost of speed'),
    raiseUtilization(0.02, 'a larger share of the card is a larger KV cache'),
  ],
  'oom-kv-zero': [
    halveTokens('a smaller trial batch leaves more for the KV cache', 1),
    halveSeqs('fewer parallel sequences leave more for the KV cache', 1),
    captureAtMost(8, 'fewer CUDA graphs leave more for the KV cache'),
    eager('without CUDA graphs there is more for the KV cache, at the cost of speed'),
    raiseUtilization(0.02, 'a larger share of the card is a larger KV cache'),
    smallerWeights,
  ],
  'oom-graph': [
    captureAtMost(32, 'fewer CUDA graphs are captured'),
    captureAtMost(8, 'fewer CUDA graphs are captured'),
    (question) =>
      isEager(question) || value(question, 'optimization_level') !== undefined
        ? null
        : step(question, 'optimization_level', '1', 'whole-batch CUDA graphs are left out', '2'),
    lowerUtilization('CUDA graphs need room outside the KV cache', 1),
    eager('CUDA graphs do not fit at all; the model runs without them, which is slower'),
  ],
  'oom-runtime': [
    lowerUtilization('serving needed memory that vLLM had not reckoned with; a smaller KV cache leaves more of it', 1),
    withoutPromptLogprobs,
    halveTokens('smaller batches take less memory while serving', 1),
    halveSeqs('fewer parallel sequences take less memory while serving', 1),
    growingSegments,
    eager('CUDA graphs hold memory that serving needs'),
    lowerUtilization('serving needed memory that vLLM had not reckoned with; a smaller KV cache leaves more of it'),
  ],
  'oom-host': [ifCounted(noOffload), ifCounted(lazyLoading), ifCounted(smallerPictureCache)],
};
