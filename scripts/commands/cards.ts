import { existsSync, mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Settings } from '../../gateway/config/schema/settings.ts';
import { systemClock } from '../../gateway/core/clock.ts';
import { NvidiaSmi } from '../../supervisor/gpu/gpu.ts';
import { type CardSurveyor, PretendedCards } from '../../supervisor/gpu/pretended.ts';
import { ProfileError } from '../../supervisor/profile/profile.ts';
import type { SmiAnswer } from '../../supervisor/gpu/smi.ts';
import { gpuIds, runNvidiaSmi } from '../../supervisor/sim/nvidia-smi.ts';

type Env = Readonly<Record<string, string | undefined>>;

interface Cards {
  readonly cards: CardSurveyor;
  /** With what the engines need to find the pretended cards. */
  readonly env: Env;
}

/**
 * What looks at the machine's cards: the driver, and where it has none the cards that SIM_GPU names, unless a real engine is asked for.
 * `shared`: engines take their memory from the pretended cards, in a file of the state folder, as from real ones.
 * @throws ProfileError for a name that stands for no card
 */
export function cardsOf({ supervisor }: Settings, env: Env, cwd: string, shared: boolean): Cards {
  const real = new NvidiaSmi(systemClock, env);
  const names = pretendedNames(env);
  if (names.length === 0 || supervisor.engine === 'vllm') return { cards: real, env };
  const unknown = names.find((name) => !gpuIds().includes(name));
  if (unknown !== undefined) throw new ProfileError(`SIM_GPU: there is no card ${unknown} to pretend; there are ${gpuIds().join(', ')}`);
  const file = resolve(cwd, supervisor.state_dir, `simulated-${names.join('-')}.json`);
  const isFree = env['SIM_VRAM_FILE'] === undefined;
  const isOurs = shared && isFree;
  const withFile = isOurs ? { ...env, SIM_VRAM_FILE: file } : env;
  // Whoever only looks sees what engines here have taken, and makes no file where none has.
  const seen = () => (isFree && existsSync(file) ? { ...env, SIM_VRAM_FILE: file } : withFile);
  const pretended = new NvidiaSmi(systemClock, env, [], {
    run: (args) => {
      if (isOurs) mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      return askPretended(args, seen());
    },
  });
  return { cards: new PretendedCards(supervisor.engine === 'sim' ? null : real, pretended), env: withFile };
}

/** `none` and the simulation's own roomy card stand for no card. */
function pretendedNames(env: Env): string[] {
  const names = (env['SIM_GPU'] ?? '').split(',').map((name) => name.trim().toLowerCase());
  return names.filter((name) => !['', 'none', 'sim'].includes(name));
}

async function askPretended(args: readonly string[], env: Env): Promise<SmiAnswer> {
  let text = '';
  const status = await runNvidiaSmi(args, env, (piece) => (text += piece));
  return status === 0 ? { kind: 'answered', text } : { kind: 'failed', reason: text.trim().split('\n')[0] ?? '' };
}
