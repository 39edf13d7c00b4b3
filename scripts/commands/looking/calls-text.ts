import type { Settings } from '../../../gateway/config/schema/settings.ts';
import { sharesWorkers } from '../../../gateway/config/schema/state.ts';
import { resumesIn } from '../../../gateway/config/schema/values/resume.ts';
import { behindText } from '../live/behind-text.ts';

/** What the settings make of calls, as far as they say anything: pools and fallbacks, streams that go on, gateways that share workers. */
export function callLines({ models, resume, state }: Pick<Settings, 'models' | 'resume' | 'state'>): string[] {
  return [...models.flatMap(behindText), ...resumeText({ models, resume }), ...sharingText(state)];
}

function resumeText(settings: Pick<Settings, 'models' | 'resume'>): string[] {
  const { byModel, others } = resumesIn(settings);
  const named = (wanted: boolean): string[] => [...byModel].flatMap(([id, most]) => (most > 0 === wanted ? [id] : []));
  const what = (of: string) => `${of} go on at another worker when theirs is lost (resume, at most ${settings.resume.max} times each)`;
  const except = named(false).length === 0 ? '' : `, but not those of ${named(false).join(', ')}`;
  if (others > 0) return [what('streams') + except];
  return named(true).length === 0 ? [] : [what(`streams of ${named(true).join(', ')}`)];
}

function sharingText(state: Settings['state']): string[] {
  const { url, gateways } = state;
  if (url === null)
    return sharesWorkers(state) ? [`${gateways} gateways share the workers (state.gateways), each by what it sees of them`] : [];
  const workers = sharesWorkers(state) ? 'limits, budgets and the places of the workers' : 'limits and budgets';
  return [`gateways share ${workers} by way of state.url`];
}
