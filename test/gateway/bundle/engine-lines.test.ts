import { expect, test } from 'vitest';
import { EngineLineReader } from '../../../gateway/bundle/engine-lines.ts';
import { veilOver } from './veil-over.ts';

async function shown(...lines: string[]): Promise<readonly string[]> {
  const reader = new EngineLineReader(await veilOver([]));
  for (const line of lines) reader.read(line);
  return reader.end().lines;
}

const PROMPT = 'tell nobody that the treasure lies under the old oak';

test.each([
  `INFO 11-30 00:00:00 [logger.py:39] Received request chatcmpl-1: prompt: '${PROMPT}', params: SamplingParams(n=1)`,
  `(APIServer pid=7) INFO 11-30 00:00:00 [logger.py:40] Request cmpl-1 details: prompt: "${PROMPT}", prompt_token_ids: [1, 2]`,
  `INFO 11-30 00:00:00 [logger.py:60] Generated response chatcmpl-1: output: '${PROMPT}', output_token_ids: [1]`,
  `ERROR 11-30 00:00:00 [dump_input.py:69] Dumping input data for V1 LLM engine: NewRequestData(req_id=1,prompt_token_ids=[1])`,
  `ERROR 11-30 00:00:00 [core.py:69] {'messages': [{'role': 'user', 'content': '${PROMPT}'}]}`,
  `DEBUG 11-30 00:00:00 [async_llm.py:1] ${PROMPT}`,
  `INFO 11-30 00:00:00 [serving_chat.py:1] rendered ${PROMPT}`,
  `WARNING 11-30 00:00:00 [hermes_tool_parser.py:1] no call in ${PROMPT}`,
  `pydantic_core._pydantic_core.ValidationError: 1 error: ${PROMPT}`,
  `json.decoder.JSONDecodeError: ${PROMPT}`,
  `ValueError: cannot use "${PROMPT}" here`,
  `    ${PROMPT}`,
  PROMPT,
  `  input_value='${PROMPT}', input_type=str`,
  `Processed prompts: 100%|###| ${PROMPT}`,
])('nothing of a prompt is left of %s', async (line) => {
  expect((await shown('INFO 11-30 00:00:00 [core.py:1] before', line)).join('\n')).not.toContain('treasure');
});

test('what explains a failure stays, with its places', async () => {
  const lines = [
    '(EngineCore pid=12) ERROR 11-30 00:00:00 [core.py:700] EngineCore failed to start.',
    'Traceback (most recent call last):',
    '  File "/home/bob/venv/lib/python3.12/site-packages/vllm/v1/engine/core.py", line 691, in run_engine_core',
    '    engine_core = EngineCoreProc(*args, key="a secret of sorts")',
    '                  ^^^^^^^^^^^^^^',
    'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 14.58 GiB',
    'ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.',
    'INFO 11-30 00:00:00 [loggers.py:123] Engine 000: Avg prompt throughput: 2.4 tokens/s, Running: 1 reqs, GPU KV cache usage: 0.1%',
  ];
  expect(await shown(...lines)).toEqual([
    lines[0],
    lines[1],
    '  File "…/site-packages/vllm/v1/engine/core.py", line 691, in run_engine_core',
    '    engine_core = EngineCoreProc(*args, key="…")',
    lines[4],
    lines[5],
    lines[6],
    lines[7],
  ]);
});

test('lines of no known form are counted, binary ones too', async () => {
  const lines = await shown('\u0000\u0001\u0002\ufffd'.repeat(1000), 'who knows', 'INFO 11-30 00:00:00 [core.py:1] up', 'x', '');
  expect(lines).toEqual(['(2 lines left out)', 'INFO 11-30 00:00:00 [core.py:1] up', '(1 line left out)']);
});

test('addresses of clients, tokens and arguments are not shown', async () => {
  const [access, args, token] = await shown(
    'INFO:     203.0.113.9:51234 - "POST /v1/chat/completions?who=bob HTTP/1.1" 200 OK',
    "INFO 11-30 00:00:00 [utils.py:328] non-default args: {'api_key': ['k1'], 'chat_template': 'x'}",
    'WARNING 11-30 00:00:00 [x.py:1] HF_TOKEN=hf_AbCdEfGhIjKlMnOp1234 is used for bob@acme.com',
  );
  expect(access).toBe('INFO:     <address #1, 17 characters> - POST /v1/chat/completions 200 OK');
  expect(args).toBe('INFO 11-30 00:00:00 [utils.py:328] non-default args: (left out)');
  expect(token).not.toMatch(/AbCd|acme/);
});
