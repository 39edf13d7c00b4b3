import { resolve } from 'node:path';
import type { LoadedSettings } from '../../../gateway/config/load.ts';
import { headgateAt } from '../../../gateway/link/headgate-at.ts';
import { readWhereabouts } from '../../../gateway/link/whereabouts.ts';

export type Surface = 'admin' | 'api';

/** Where the running gateway is to be asked. */
export interface Found {
  readonly base: string;
  /** Others of this folder that answer, too; the API's addresses. */
  readonly others: readonly string[];
  /** Nobody answered anywhere: `base` is where it should be by the settings. */
  readonly isGuess: boolean;
}

/**
 * The gateway that a command means: the one at the address that flags name; or else that of the settings where they name one and
 * Headgate answers there; or else the one that was started last in this folder, by what it wrote into the state folder. A record may be
 * older than its gateway's end, so each is asked first, without the key.
 */
export async function findGateway({ settings, origins }: LoadedSettings, cwd: string, surface: Surface): Promise<Found> {
  const ownPort = surface === 'admin' ? settings.admin.port : null;
  const group = ownPort === null ? 'server' : 'admin';
  const base = address(settings[group].host, ownPort ?? settings.server.port);
  const kinds = [`${group}.host`, `${group}.port`, 'server.host', 'server.port'].map((path) => origins.get(path)?.kind ?? 'default');
  const isTyped = kinds.includes('flag');
  if (isTyped) return { base, others: [], isGuess: false };

  const isNamed = kinds.slice(0, 2).some((kind) => kind !== 'default');
  const records = readWhereabouts(resolve(cwd, settings.supervisor.state_dir));
  const [isThere, ...answers] = await Promise.all([isNamed ? isHeadgate(base) : false, ...records.map(({ url }) => isHeadgate(url))]);
  const living = records.filter((_, i) => answers[i]);
  const baseOf = (record: (typeof records)[number]) => (surface === 'admin' ? record.adminUrl : record.url);
  const chosen = isThere ? living.find((record) => baseOf(record) === base) : living[0];
  // One that was killed has left its record, and another may answer at its address by now.
  const others = [...new Set(living.map(({ url }) => url))].filter((url) => url !== chosen?.url);
  if (isThere) return { base, others, isGuess: false };
  return chosen ? { base: baseOf(chosen), others, isGuess: false } : { base, others, isGuess: true };
}

/** That the same could have been meant of others, for standard error; empty where there are none. */
export function othersText({ base, others }: Found): string {
  if (others.length === 0) return '';
  const ports = others.map((url) => `${url} (--port ${new URL(url).port})`);
  return `headgate: this was ${base}; in this folder there runs ${ports.join(' and ')}, too.\n`;
}

async function isHeadgate(base: string): Promise<boolean> {
  const { hostname, port } = new URL(base);
  return (await headgateAt(hostname, Number(port || 80))) !== null;
}

/** Listening on every address is asked for on loopback. */
function address(host: string, port: number): string {
  const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
  return `http://${name}:${port}`;
}
