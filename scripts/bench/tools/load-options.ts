import { parseArgs } from 'node:util';

/** What both load generators understand; load.c tells what each means. */
export interface LoadOptions {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** 0: as many as there is time for. */
  readonly calls: number;
  /** 0: a closed loop. */
  readonly rate: number;
  readonly path: string;
  readonly model: string;
  readonly prompt: number;
  readonly fresh: boolean;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly stream: boolean;
  readonly usage: boolean;
  readonly abort: number;
  readonly key: string;
  readonly graceS: number;
}

export const LOAD_DEFAULTS: Omit<LoadOptions, 'port'> = {
  ...{ connections: 32, seconds: 2, calls: 0, rate: 0, path: '/v1/chat/completions', model: 'bench', prompt: 60 },
  ...{ fresh: false, maxTokens: 64, temperature: 0.7, stream: false, usage: false, abort: 0, key: '', graceS: 10 },
};

/** As arguments of either program; what has its default is left out. */
export function loadArguments(options: Partial<LoadOptions>): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    if (value === undefined || value === LOAD_DEFAULTS[name as keyof typeof LOAD_DEFAULTS]) return [];
    return value === true ? [flag(name)] : [flag(name), String(value)];
  });
}

/** @throws for what is no option */
export function parseLoadOptions(args: readonly string[]): LoadOptions {
  const known = Object.entries({ port: 0, ...LOAD_DEFAULTS });
  const options = Object.fromEntries(
    known.map(([name, usual]) => [flag(name).slice(2), { type: typeof usual === 'boolean' ? 'boolean' : 'string' } as const]),
  );
  const { values } = parseArgs({ args: [...args], options });
  const read = known.map(([name, usual]): [string, unknown] => {
    const value = values[flag(name).slice(2)];
    return [name, value === undefined ? usual : typeof usual === 'number' ? Number(value) : value];
  });
  return Object.fromEntries(read) as unknown as LoadOptions;
}

function flag(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
