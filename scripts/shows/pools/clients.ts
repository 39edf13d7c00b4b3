const CALL_MS = 60_000;

/** What callers of a stage were given. */
export interface Tally {
  /** Whole answers by the model that gave them. */
  readonly byModel: ReadonlyMap<string, number>;
  /** Of those, the ones with `x-headgate-fallback`. */
  readonly fellBack: number;
  /** Refusals and failures by `x-headgate-reason`, or what else went wrong. */
  readonly lost: ReadonlyMap<string, number>;
}

/** So many callers that each ask again as soon as they are answered, until the time is over. Their last calls are waited for. */
export async function callAll(url: string, model: string, callers: number, seconds: number): Promise<Tally> {
  const byModel = new Map<string, number>();
  const lost = new Map<string, number>();
  let [fellBack, asked] = [0, 0];
  const until = performance.now() + seconds * 1_000;
  const count = (of: Map<string, number>, name: string): void => void of.set(name, (of.get(name) ?? 0) + 1);
  async function caller(): Promise<void> {
    while (performance.now() < until) {
      const body = JSON.stringify({ model, max_tokens: 24, messages: [{ role: 'user', content: `What is ${asked++}?` }] });
      const headers = { 'content-type': 'application/json' };
      try {
        const answer = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body, signal: AbortSignal.timeout(CALL_MS) });
        const said = (await answer.json()) as { model?: string };
        if (answer.headers.has('x-headgate-fallback')) fellBack++;
        if (answer.status === 200) count(byModel, said.model ?? '?');
        else count(lost, answer.headers.get('x-headgate-reason') ?? String(answer.status));
      } catch (error) {
        count(lost, (error as Error).name);
      }
    }
  }
  await Promise.all(Array.from({ length: callers }, caller));
  return { byModel, fellBack, lost };
}

export function tallyText({ byModel, fellBack, lost }: Tally): string {
  const given = [...byModel].toSorted().map(([model, count]) => `${model} ${count}`);
  const gone = [...lost].map(([reason, count]) => `${count} lost (${reason})`);
  return [...given, `${fellBack} told by x-headgate-fallback`, ...(gone.length > 0 ? gone : ['none lost'])].join(' · ');
}
