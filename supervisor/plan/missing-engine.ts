import type { Settings } from '../../gateway/config/schema/settings.ts';
import type { CardReader } from '../gpu/gpu.ts';
import { usableGpus, visibleGpus } from '../gpu/visible.ts';
import { findProgram } from '../system/program.ts';
import { chooseEngineKind } from './detect.ts';

interface Place {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What to install or set before anything can be launched on this machine's GPU; null where nothing is missing. Looks at cards only if it must. */
export async function missingEngine({ supervisor }: Settings, cards: CardReader, { cwd, env }: Place): Promise<string | null> {
  const program = supervisor.vllm_command[0] ?? 'vllm';
  if (supervisor.engine !== 'auto' || findProgram(program, env, cwd) !== null) return null;
  const gpus = usableGpus(visibleGpus(await cards.read(), env['CUDA_VISIBLE_DEVICES']));
  return chooseEngineKind('auto', gpus, null, null, program).missing;
}
