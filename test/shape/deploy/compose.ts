import { z } from 'zod';

// The part of the compose specification that our files use. A key that is none is refused: what compose would make of it is nothing.

const Text = z.record(z.string(), z.string());
const Duration = z.string().regex(/^\d+(ms|s|m)$/);
const Build = z.strictObject({ context: z.string(), dockerfile: z.string(), target: z.string() });
const Device = z.strictObject({ driver: z.literal('nvidia'), count: z.int().positive(), capabilities: z.array(z.literal('gpu')).min(1) });

export const Service = z.strictObject({
  image: z.string().optional(),
  build: Build.optional(),
  command: z.array(z.string()).optional(),
  init: z.boolean().optional(),
  read_only: z.boolean().optional(),
  tmpfs: z.array(z.string()).optional(),
  cap_drop: z.array(z.string()).optional(),
  security_opt: z.array(z.string()).optional(),
  environment: Text.optional(),
  ports: z.array(z.string().regex(/^127\.0\.0\.1:\d+:\d+$/, 'opens a port to the network')).optional(),
  volumes: z.array(z.string()).optional(),
  depends_on: z
    .union([z.array(z.string()), z.record(z.string(), z.strictObject({ condition: z.enum(['service_started', 'service_healthy']) }))])
    .optional(),
  healthcheck: z
    .union([
      z.strictObject({ disable: z.literal(true) }),
      z.strictObject({ test: z.array(z.string()), interval: Duration, timeout: Duration, retries: z.int() }),
    ])
    .optional(),
  stop_grace_period: Duration.optional(),
  restart: z.enum(['unless-stopped', 'always', 'no']).optional(),
  shm_size: z.string().optional(),
  ulimits: z.record(z.string(), z.int()).optional(),
  deploy: z
    .strictObject({
      replicas: z.int().optional(),
      resources: z.strictObject({ reservations: z.strictObject({ devices: z.array(Device) }) }).optional(),
    })
    .optional(),
});

export const Compose = z.strictObject({
  name: z.string().optional(),
  'x-worker': Service.optional(),
  services: z.record(z.string(), Service),
  volumes: z.record(z.string(), z.strictObject({})).optional(),
});

export type ComposeFile = z.infer<typeof Compose>;

/** What compose makes of several files, each laid over those before it: maps key by key, lists and everything else as a whole. */
export function laidOver(...files: readonly ComposeFile[]): ComposeFile {
  return Compose.parse(files.reduce<unknown>(merged, {}));
}

function merged(under: unknown, over: unknown): unknown {
  if (!isMap(under) || !isMap(over)) return over;
  return Object.fromEntries(
    [...new Set([...Object.keys(under), ...Object.keys(over)])].map((key) => [
      key,
      key in over ? merged(under[key], over[key]) : under[key],
    ]),
  );
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
