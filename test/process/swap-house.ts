import { join } from 'node:path';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import type { SupervisionPolicy } from '../../supervisor/system/policy.ts';
import { AS_ADMIN } from '../support/admin.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { superviseHere } from '../supervisor/support/running-supervisor.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';

export const [FIRST, SECOND, THIRD] = ['qwen2.5-1.5b-instruct-awq', 'mistral-7b-instruct', 'llama-3.1-8b-instruct'] as const;

export interface SwapHouse {
  readonly policy?: Partial<SupervisionPolicy>;
  /** SIM_ variables of every engine. */
  readonly env?: (folder: string) => Record<string, string>;
  readonly settings: SettingsInput;
}

/** Settings with a folder and ports of their own. */
export async function ownSettings(more: SettingsInput): Promise<{ settings: SettingsInput; folder: string }> {
  const folder = scratchFolder();
  const port = await freePort(21);
  const supervisor = { port_range: [port, port + 20] as [number, number], state_dir: join(folder, 'state'), ...more.supervisor };
  return { settings: { ...more, supervisor }, folder };
}

/** Simulated models that take turns on one worker, which serves the first, behind a gateway. */
export async function swapHouse({ policy = {}, env = () => ({}), settings: more }: SwapHouse) {
  const { settings, folder } = await ownSettings(more);
  const sim = { SIM_SPEED: '0.01', SIM_START_MS: '50', SIM_FAULTS: '1', ...env(folder) };
  // However slow the machine is, none of them is ended by force.
  const patient = { stopGraceMs: 60_000, abandonGraceMs: 60_000, ...policy };
  const supervisor = await superviseHere(settings, sim, folder, patient);
  const gateway = await startTestGateway([], settings);
  await gateway.gateway.firstReady;
  return { supervisor, gateway, folder, settings };
}

export async function call(gateway: TestGateway, model: string, tokens = 4) {
  const response = await fetch(`${gateway.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, prompt: 'Hello', max_tokens: tokens }),
  });
  const body = (await response.json()) as { model?: string; choices?: { text: string }[]; error?: { message: string; code: string } };
  const { model: served, choices, error } = body;
  return { status: response.status, served, text: choices?.[0]?.text, error, retryAfter: response.headers.get('retry-after') };
}

export async function tell(gateway: TestGateway, model: string, verb: 'load' | 'unload'): Promise<number> {
  return (await fetch(`${gateway.url}/admin/models/${model}/${verb}`, { method: 'POST', headers: AS_ADMIN })).status;
}

/** How a model stands, as its card says. */
export async function card(gateway: TestGateway, model: string): Promise<{ state: string; eta_seconds: number | null }> {
  const response = await fetch(`${gateway.url}/v1/models/${model}`);
  return ((await response.json()) as { headgate: { state: string; eta_seconds: number | null } }).headgate;
}
