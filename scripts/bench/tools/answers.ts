import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The model that the stub serves. */
export const MODEL = 'bench';
export const PROMPT_TOKENS = 14;
const VECTOR_SIZE = 1024;

const FINGERPRINT = 'vllm-0.32.0-db1d1d6a';
const CREATED = 1_795_880_100;
const WORDS = 'The quick brown fox jumps over the lazy dog and runs on through the quiet forest until the stars come out above the river.';
const PROMPT_USAGE = `"prompt_tokens":${PROMPT_TOKENS},"total_tokens":<<TOTAL>>,"completion_tokens":<<TOKENS>>`;
const USAGE = `{${PROMPT_USAGE},"prompt_tokens_details":null,"completion_tokens_details":null}`;

/**
 * What the stub answers with, by the names of the files that both stubs read: the very fields of vLLM 0.32's answers, so that their size is
 * the one that a proxy meets. Put in at each answer: ID, STAMP (the text of a token: @ and the time), TOKENS, TOTAL, and on the page of
 * metrics RUNNING, GENERATED and CALLS.
 */
export function answers(): Readonly<Record<string, string>> {
  return {
    'chat-whole': `{"id":"chatcmpl-<<ID>>","object":"chat.completion","created":${CREATED},"model":"${MODEL}","choices":[{"index":0,"message":{"role":"assistant","content":"${WORDS} ${WORDS}","refusal":null,"annotations":null,"audio":null,"function_call":null,"reasoning":null},"logprobs":null,"finish_reason":"length","stop_reason":null,"token_ids":null,"routed_experts":null}],"service_tier":null,"system_fingerprint":"${FINGERPRINT}","usage":${USAGE},"prompt_logprobs":null,"prompt_token_ids":null,"prompt_text":null,"kv_transfer_params":null,"ec_transfer_params":null,"metrics":null}`,
    'chat-role': chatFrame('"role":"assistant","content":""', '"finish_reason":null', ',"prompt_token_ids":null,"prompt_text":null'),
    'chat-token': chatFrame('"content":"@<<STAMP>> "', '"finish_reason":null,"token_ids":null'),
    'chat-last': chatFrame(
      '"content":"@<<STAMP>> "',
      '"finish_reason":"length","stop_reason":null,"token_ids":null',
      `,"system_fingerprint":"${FINGERPRINT}"`,
    ),
    'chat-usage': frame('chatcmpl', 'chat.completion.chunk', `[],"usage":{${PROMPT_USAGE}},"system_fingerprint":"${FINGERPRINT}"`),
    'text-whole': `{"id":"cmpl-<<ID>>","object":"text_completion","created":${CREATED},"model":"${MODEL}","choices":[{"index":0,"text":"${WORDS} ${WORDS}","logprobs":null,"finish_reason":"length","stop_reason":null,"token_ids":null,"prompt_logprobs":null,"prompt_token_ids":null,"routed_experts":null}],"service_tier":null,"system_fingerprint":"${FINGERPRINT}","usage":${USAGE},"kv_transfer_params":null,"ec_transfer_params":null,"metrics":null}`,
    'text-role': '',
    'text-token': textFrame('"finish_reason":null,"stop_reason":null'),
    'text-last': textFrame('"finish_reason":"length","stop_reason":null'),
    'text-usage': frame('cmpl', 'text_completion', `[],"usage":{${PROMPT_USAGE}}`),
    'vectors-whole': `{"id":"embd-<<ID>>","object":"list","created":${CREATED},"model":"${MODEL}","data":[{"index":0,"object":"embedding","embedding":[${vector()}]}],"usage":{"prompt_tokens":${PROMPT_TOKENS},"total_tokens":${PROMPT_TOKENS},"completion_tokens":0,"prompt_tokens_details":null,"completion_tokens_details":null}}`,
    models: `{"object":"list","data":[{"id":"${MODEL}","object":"model","created":${CREATED},"owned_by":"vllm","root":"/models/${MODEL}","parent":null,"max_model_len":131072,"permission":[{"id":"modelperm-93d92c40ad00f7e5","object":"model_permission","created":${CREATED},"allow_create_engine":false,"allow_sampling":true,"allow_logprobs":true,"allow_search_indices":false,"allow_view":true,"allow_fine_tuning":false,"organization":"*","group":null,"is_blocking":false}]}]}`,
    metrics: metricsPage(),
  };
}

/** Writes the answers into `folder`, a file each. */
export function writeAnswers(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(answers())) writeFileSync(join(folder, name), text);
}

function frame(prefix: string, object: string, choicesAndMore: string): string {
  return `data: {"id":"${prefix}-<<ID>>","object":"${object}","created":${CREATED},"model":"${MODEL}","choices":${choicesAndMore}}\n\n`;
}

function chatFrame(delta: string, ending: string, more = ''): string {
  return frame('chatcmpl', 'chat.completion.chunk', `[{"index":0,"delta":{${delta}},"logprobs":null,${ending}}]${more}`);
}

function textFrame(ending: string): string {
  return frame(
    'cmpl',
    'text_completion',
    `[{"index":0,"text":"@<<STAMP>> ","logprobs":null,${ending},"prompt_token_ids":null,"token_ids":null}]`,
  );
}

/** Numbers of the length that a real vector has, the same in every run. */
function vector(): string {
  const at = (index: number) => (Math.sin(index * 12.9898) / 16).toFixed(17);
  return Array.from({ length: VECTOR_SIZE }, (_, index) => at(index + 1)).join(',');
}

/** Of the size that vLLM 0.32's page has (80 KB): a gateway reads it twice a second. */
function metricsPage(): string {
  const labels = `engine="0",model_name="${MODEL}"`;
  const figure = (type: string, name: string, value: string) =>
    `# HELP vllm:${name} State or cumulative count of the scheduler.\n# TYPE vllm:${name} ${type}\nvllm:${name}{${labels}} ${value}\n`;
  return [
    '# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.\n# TYPE process_start_time_seconds gauge\n',
    'process_start_time_seconds 1.79587965144e+09\n',
    figure('gauge', 'num_requests_running', '<<RUNNING>>.0'),
    figure('gauge', 'num_requests_waiting', '0.0'),
    figure('gauge', 'kv_cache_usage_perc', '0.1'),
    figure('counter', 'prompt_tokens_total', '<<CALLS>>.0'),
    figure('counter', 'generation_tokens_total', '<<GENERATED>>.0'),
    ...HISTOGRAMS.map((name) => histogram(`vllm:${name}`, labels)),
    ...Array.from({ length: 21 }, (_, at) => histogram('http_request_duration_seconds', `handler="/v1/route-${at}",method="POST"`)),
  ].join('');
}

const HISTOGRAMS = [
  'time_to_first_token_seconds',
  'request_queue_time_seconds',
  'request_prefill_time_seconds',
  'request_inference_time_seconds',
  'request_decode_time_seconds',
  'e2e_request_latency_seconds',
  'request_time_per_output_token_seconds',
  'inter_token_latency_seconds',
  'iteration_tokens_total',
  'request_prompt_tokens',
  'request_generation_tokens',
  'request_max_num_generation_tokens',
  'request_params_max_tokens',
] as const;

function histogram(name: string, labels: string): string {
  const sample = (what: string, label: string, value: string) => `${name}_${what}{${labels}${label}} ${value}\n`;
  const buckets = Array.from({ length: 22 }, (_, at) => sample('bucket', `,le="${(0.001 * 2 ** at).toFixed(3)}"`, `${at * 1000}.0`));
  const head = `# HELP ${name} Histogram of ${name.replaceAll('_', ' ')}.\n# TYPE ${name} histogram\n`;
  return [head, ...buckets, sample('bucket', ',le="+Inf"', '22000.0'), sample('count', '', '22000.0'), sample('sum', '', '1.5')].join('');
}
