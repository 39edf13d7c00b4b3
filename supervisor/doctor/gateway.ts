import type { Settings } from '../../gateway/config/schema/settings.ts';
import { supervisorIsOn } from '../../gateway/config/schema/settings.ts';
import type { GatewayReport } from './report.ts';
import { examineState } from './state.ts';

/** Whether the settings are those of a gateway in front of servers that somebody else runs: no engine is started for it. */
export function launchesNothing(settings: Settings): boolean {
  return settings.workers.length > 0 && !supervisorIsOn(settings);
}

/** What such a gateway depends on here: its folder and its port. Neither GPUs nor vLLM are its business. */
export async function examineGateway(settings: Settings, cwd: string): Promise<GatewayReport> {
  const { finding, problems, warnings } = await examineState(settings, cwd);
  return {
    ok: problems.length === 0,
    problems,
    warnings,
    ...{ gpus: [], engine: null, vllm: null, profile: null, other_profiles: [], models: [], command: null },
    state: finding,
  };
}
