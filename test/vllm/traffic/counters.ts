/** Tokens that somebody has counted so far. */
export interface Tokens {
  readonly input: number;
  readonly output: number;
  readonly cached: number;
}

export async function engineTokens(urls: readonly string[]): Promise<Tokens> {
  const pages = await Promise.all(urls.map((url) => page(url)));
  const all = (name: string): number => pages.reduce((sum, one) => sum + total(one, `vllm:${name}`), 0);
  return { input: all('prompt_tokens_total'), output: all('generation_tokens_total'), cached: all('prompt_tokens_cached_total') };
}

export async function gatewayTokens(url: string): Promise<Tokens> {
  const one = await page(url);
  const of = (name: string): number => total(one, `headgate_${name}`);
  return { input: of('input_tokens_total'), output: of('output_tokens_total'), cached: of('cached_input_tokens_total') };
}

export function since(before: Tokens, now: Tokens): Tokens {
  return { input: now.input - before.input, output: now.output - before.output, cached: now.cached - before.cached };
}

/** What is still under way, at the gateway and at the engines: nothing may be when nobody asks for anything. */
export async function underWay(gateway: string, engines: readonly string[]): Promise<number> {
  const pages = await Promise.all(engines.map((url) => page(url)));
  const atEngines = pages.reduce((sum, one) => sum + total(one, 'vllm:num_requests_running') + total(one, 'vllm:num_requests_waiting'), 0);
  const stats = (await (await fetch(`${gateway}/stats`)).json()) as {
    queue: { in_flight: number; depth: Record<string, number> };
    workers: { in_flight: number }[];
  };
  const waiting = Object.values(stats.queue.depth).reduce((sum, one) => sum + one, 0);
  return atEngines + stats.queue.in_flight + waiting + stats.workers.reduce((sum, { in_flight }) => sum + in_flight, 0);
}

async function page(url: string): Promise<string> {
  return (await fetch(`${url}/metrics`)).text();
}

/** The sum of all samples of exactly this name. */
export function total(text: string, name: string): number {
  let sum = 0;
  for (const line of text.split('\n')) {
    if (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) sum += Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return sum;
}
