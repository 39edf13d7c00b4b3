/** A stream as its client sees it. */
export interface Seen {
  readonly text: string;
  readonly worker: string;
  readonly ids: number;
  readonly finishes: number;
  readonly dones: number;
  readonly errors: number;
  readonly resumed: number;
  readonly usage: { readonly completion_tokens: number } | null;
  readonly firstMs: number;
  /** The time without text around a `: resumed` comment; null: there was none. */
  readonly gapMs: number | null;
}

interface Chunk {
  readonly id?: string;
  readonly error?: object;
  readonly usage?: { readonly completion_tokens: number } | null;
  readonly choices?: readonly {
    readonly text?: string;
    readonly delta?: { readonly content?: string };
    readonly finish_reason: string | null;
  }[];
}

/** Reads one to its end. `onText` hears of each piece. */
export async function watchStream(url: string, path: string, body: object, onText: (characters: number) => void): Promise<Seen> {
  const began = performance.now();
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
  });
  if (response.status !== 200) throw new Error(`${path} was answered ${response.status}: ${await response.text()}`);
  const seen = {
    text: '',
    finishes: 0,
    dones: 0,
    errors: 0,
    resumed: 0,
    usage: null as Seen['usage'],
    firstMs: 0,
    gapMs: null as number | null,
  };
  const ids = new Set<string>();
  let textAt = 0;
  let isBroken = false;
  let rest = '';
  const decoder = new TextDecoder();
  for await (const piece of response.body!) {
    const events = (rest + decoder.decode(piece as Uint8Array, { stream: true })).split('\n\n');
    rest = events.pop()!;
    for (const event of events) {
      if (event.startsWith(': resumed')) {
        seen.resumed++;
        isBroken = true;
      }
      if (!event.startsWith('data: ')) continue;
      const data = event.slice('data: '.length);
      if (data === '[DONE]') {
        seen.dones++;
        continue;
      }
      const { id, error, usage, choices = [] } = JSON.parse(data) as Chunk;
      if (error !== undefined) seen.errors++;
      if (id !== undefined) ids.add(id);
      seen.usage = usage ?? seen.usage;
      for (const { text, delta, finish_reason: finish } of choices) {
        if (finish !== null) seen.finishes++;
        const said = text ?? delta?.content ?? '';
        if (said === '') continue;
        const now = performance.now();
        if (textAt === 0) seen.firstMs = now - began;
        if (isBroken) seen.gapMs = Math.max(seen.gapMs ?? 0, now - textAt);
        isBroken = false;
        textAt = now;
        seen.text += said;
        onText(said.length);
      }
    }
  }
  return { ...seen, ids: ids.size, worker: response.headers.get('x-headgate-worker') ?? '' };
}
