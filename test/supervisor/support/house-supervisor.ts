import type { SettingsInput } from '../../../gateway/config/schema/settings.ts';
import { systemClock } from '../../../gateway/core/clock.ts';
import type { Clock } from '../../../gateway/core/clock.ts';
import { NvidiaSmi } from '../../../supervisor/gpu/gpu.ts';
import type { SupervisionPolicy } from '../../../supervisor/system/policy.ts';
import { gpuHouse } from '../../support/gpu-house.ts';
import type { GpuHouse, HouseCards, HouseOptions } from '../../support/gpu-house.ts';
import { freePort } from '../../support/ports.ts';
import { superviseHere } from './running-supervisor.ts';
import type { RunningSupervisor } from './running-supervisor.ts';
import { scratchFolder } from './scratch.ts';

/** What is launched where the settings name no models: small enough for every card. */
export const HOUSE_MODEL = 'qwen2.5-1.5b-instruct-awq';

/** A machine with these cards and a vLLM, gone after the test. */
export function houseWith(cards: HouseCards, options: HouseOptions = {}): GpuHouse {
  return gpuHouse(scratchFolder(), cards, options);
}

/** nvidia-smi is a program of ours here, nine of which may begin at once on a machine that has other things to do. */
const patientClock: Clock = { ...systemClock, after: (ms, fn) => systemClock.after(ms * 10, fn) };

export interface HouseSupervision {
  readonly settings?: SettingsInput;
  readonly policy?: Partial<SupervisionPolicy>;
  /** The time by which nvidia-smi is given up. */
  readonly smiClock?: Clock;
}

/** A supervisor in this process, on that machine: it finds the cards and the engine as it does on a real one. */
export async function superviseHouse(
  house: GpuHouse,
  { settings = {}, policy = {}, smiClock = patientClock }: HouseSupervision = {},
): Promise<RunningSupervisor> {
  const port = await freePort(21);
  const supervisor = { port_range: [port, port + 20] as [number, number], ...settings.supervisor };
  const probe = new NvidiaSmi(smiClock, { PATH: house.path }, []);
  return superviseHere({ models: [HOUSE_MODEL], ...settings, supervisor }, { PATH: house.path }, house.folder, policy, probe);
}
