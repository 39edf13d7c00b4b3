import type { Turn } from './loads.ts';

const LONGEST_MS = 300_000;

interface Answer {
  readonly text: string;
  readonly ttftMs: number;
  readonly e2eMs: number;
}

/** Asks as a client would, and reads the stream to its end. @throws Error where it is not answered whole */
export async function askTurn(
  base: string,
  model: string,
  turn: Turn,
  salt: string,
  onWorker: (worker: string, change: 1 | -1) => void,
): Promise<Answer> {
  const from = performance.now();
  const tokens = turn.answer.split(' ').length;
  const body = { model, messages: turn.messages, stream: true, max_tokens: tokens, ignore_eos: true, cache_salt: salt };
  const response = await fetch(`${base}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(LONGEST_MS),
  });
  if (response.status !== 200 || response.body === null) throw new Error(`${response.status}: ${await response.text()}`);
  const worker = response.headers.get('x-headgate-worker') ?? '';
  onWorker(worker, 1);
  let text = '';
  let ttftMs = NaN;
  let rest = '';
  let isWhole = false;
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      if (line === 'data: [DONE]') isWhole = true;
      else if (line.startsWith('data: {')) {
        const said = (JSON.parse(line.slice(6)) as { choices?: { delta?: { content?: string } }[] }).choices?.[0]?.delta?.content ?? '';
        if (said !== '' && Number.isNaN(ttftMs)) ttftMs = performance.now() - from;
        text += said;
      }
    }
  }
  onWorker(worker, -1);
  if (!isWhole) throw new Error('a stream was broken off');
  return { text, ttftMs, e2eMs: performance.now() - from };
}
