import { textOf } from './entry.ts';

/** What an entry, or a line of the log with the same fields, says; it may hold what a terminal would obey. */
export function sentence(entry: Readonly<Record<string, unknown>>): string {
  const { event } = entry;
  const msg = textOf(entry, 'msg') ?? '';
  const of = (field: string): string | null => textOf(entry, field);
  switch (event) {
    case 'worker.failure': {
      const next = of('next');
      const what = [of('class'), of('phase') && `at ${of('phase')}`, next && `next: ${next}`].filter((part) => part !== null).join(', ');
      return `${of('worker')} failed (${what}): ${of('message') ?? msg}`;
    }
    case 'worker.state': {
      const state = of('state');
      const model = state === 'ready' || state === 'starting' ? (of('model') ?? list(entry, 'models')) : '';
      return [`${of('worker')} is ${state}`, model, of('next') ?? ''].filter((part) => part !== '').join(' · ');
    }
    case 'breaker':
      return `${of('worker')}: ${msg} (${of('reason')})`;
    case 'config.reload':
      return [
        msg,
        ...pair('changed', list(entry, 'changed')),
        ...pair('after a restart', list(entry, 'needs_restart')),
        ...pair('', of('message')),
      ].join(' · ');
    case 'worker.degraded':
    case 'pressure': {
      const worker = of('worker');
      return worker === null || msg.includes(worker)
        ? msg
        : `${worker}: ${msg}${list(entry, 'degradation') && ` · ${list(entry, 'degradation')}`}`;
    }
    case 'drain': {
      const running = Number(entry['in_flight'] ?? 0);
      return running > 0 ? `${msg} · ${running} in flight` : msg;
    }
    default:
      return msg;
  }
}

function list(entry: Readonly<Record<string, unknown>>, field: string): string {
  const value = entry[field];
  return Array.isArray(value) ? value.join(', ') : '';
}

function pair(name: string, text: string | null): string[] {
  if (text === null || text === '') return [];
  return [name === '' ? text : `${name}: ${text}`];
}
