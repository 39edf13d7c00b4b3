import { join } from 'node:path';
import type { AdminStatus, LeaseList, LeaseStatus } from '../../gateway/http/pages/admin-answers.ts';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { AS_ADMIN } from '../support/admin.ts';
import { startTestGateway, type TestGateway, until } from '../support/gateway.ts';
import type { GpuHouse } from '../support/gpu-house.ts';
import { freePort } from '../support/ports.ts';
import { HOUSE_MODEL, houseWith, superviseHouse } from '../supervisor/support/house-supervisor.ts';

export const SLEEPS: SettingsInput = { models: [{ id: HOUSE_MODEL, swap: { strategy: 'sleep' } }] };

/** A gateway in front of workers on these cards, all ready. */
export async function fleet(cards: readonly string[], more: SettingsInput) {
  const house = houseWith(cards);
  const settings = await settingsIn(house, more);
  const supervisor = await superviseHouse(house, { settings });
  const gateway = await startTestGateway([], settings);
  await until(async () => (await supervisor.state()).workers.every(({ state }) => state === 'ready'), 'every worker ready', 120_000);
  await gateway.gateway.firstReady;
  return { house, supervisor, gateway, settings };
}

export async function settingsIn(house: GpuHouse, more: SettingsInput): Promise<SettingsInput> {
  const port = await freePort(21);
  const supervisor = { port_range: [port, port + 20] as [number, number], state_dir: join(house.folder, 'state'), ...more.supervisor };
  return { ...more, supervisor };
}

export async function askLease(gateway: TestGateway, body: object) {
  const response = await fetch(`${gateway.url}/admin/gpu/lease`, {
    method: 'POST',
    headers: { ...AS_ADMIN, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return {
    status: response.status,
    body: (await response.json()) as LeaseStatus & { told?: string; error?: { message: string; code: string } },
  };
}

export async function leases(gateway: TestGateway): Promise<readonly LeaseStatus[]> {
  const response = await fetch(`${gateway.url}/admin/gpu/lease`, { headers: AS_ADMIN });
  return ((await response.json()) as LeaseList).leases;
}

export async function lent(gateway: TestGateway, holder: string): Promise<LeaseStatus> {
  let found: LeaseStatus | undefined;
  await until(async () => {
    found = (await leases(gateway)).find((lease) => lease.holder === holder);
    return found?.state === 'lent';
  }, `the card lent to ${holder}`);
  return found!;
}

export async function status(gateway: TestGateway): Promise<AdminStatus> {
  return (await (await fetch(`${gateway.url}/admin/status`, { headers: AS_ADMIN })).json()) as AdminStatus;
}

export async function allReady(gateway: TestGateway): Promise<AdminStatus> {
  let last: AdminStatus | undefined;
  await until(
    async () => {
      last = await status(gateway);
      return last.workers.every(({ state }) => state === 'ready');
    },
    'every worker back',
    120_000,
  );
  return last!;
}

export async function call(gateway: TestGateway, tokens = 4) {
  const response = await fetch(`${gateway.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: HOUSE_MODEL, prompt: 'Hello', max_tokens: tokens }),
  });
  const body = (await response.json()) as { choices?: { text: string }[]; error?: { message: string; code: string } };
  return {
    status: response.status,
    worker: response.headers.get('x-headgate-worker'),
    retryAfter: response.headers.get('retry-after'),
    body,
  };
}

export function usedGib(house: GpuHouse, card = 0): number {
  return house
    .cards()
    [card]!.holders.filter(({ ended_at_ms: ended }) => ended === null)
    .reduce((sum, { mib }) => sum + mib / 1024, 0);
}
