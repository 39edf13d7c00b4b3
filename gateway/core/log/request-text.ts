/** The line of a request for people: its answer first, then who gave it, how long it took, and what came of it. */
export function requestText(data: Readonly<Record<string, unknown>>): string {
  const text = (name: string): string | null => (data[name] === undefined || data[name] === null ? null : String(data[name]));
  const about = (word: string, name: string): string | null => (text(name) === null ? null : `${word} ${text(name)}`);
  const parts = [
    [text('status'), text('method'), text('path') ?? text('route')].filter(Boolean).join(' '),
    endOf(data),
    text('model'),
    text('worker'),
    (data['attempts'] as number) > 1 ? `${text('attempts')} attempts` : null,
    timesOf(data),
    tokensOf(data),
    text('finish_reason'),
    data['cache'] === 'hit' ? 'from the cache' : null,
    data['replayed'] === true ? 'sent again' : null,
    data['priority'] === 'batch' ? 'batch' : null,
    about('key', 'key'),
    text('request_id'),
  ];
  return parts.filter((part) => part !== null && part !== '').join(' · ');
}

function endOf(data: Readonly<Record<string, unknown>>): string | null {
  const { outcome, code, reason, limit, phase } = data;
  if (outcome === 'disconnected') return `the client went away${phase === undefined ? '' : ` (${phase})`}`;
  if (outcome !== 'refused' && outcome !== 'broken') return null;
  const why = [code, reason === code ? undefined : reason, limit].filter((word) => word !== undefined && word !== null);
  return `${outcome === 'refused' ? 'refused' : 'broken off'}: ${why.join(', ')}`;
}

function timesOf(data: Readonly<Record<string, unknown>>): string | null {
  const { duration_ms: whole } = data;
  if (typeof whole !== 'number') return null;
  const parts = [
    ['first token', data['ttft_ms']],
    ['waited', data['queue_ms']],
    ['window', data['window_ms']],
  ].flatMap(([word, ms]) => (typeof ms === 'number' && ms >= 0.5 ? [`${String(word)} ${duration(ms)}`] : []));
  return `${duration(whole)}${parts.length === 0 ? '' : ` (${parts.join(', ')})`}`;
}

function tokensOf(data: Readonly<Record<string, unknown>>): string | null {
  const { input_tokens: taken, output_tokens: made, cached_tokens: cached } = data;
  if (typeof taken !== 'number' && typeof made !== 'number') return null;
  const known = typeof cached === 'number' && cached > 0 ? ` (${cached} cached)` : '';
  return `${typeof taken === 'number' ? taken : '?'}${known} → ${typeof made === 'number' ? made : '?'} tokens`;
}

function duration(ms: number): string {
  if (ms < 10) return `${Math.round(ms * 10) / 10} ms`;
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 100) / 10} s`;
}
