import { z } from 'zod';
import { auth, limits, metrics } from './client-keys.ts';
import { batches, database, files } from './database.ts';
import { controlProblem, originProblem } from './values/addresses.ts';
import { adminKey, checked, count, fileName, host, HOUR_MS, modelName, ms, path, processes, share } from './values/kinds.ts';
import { namedModel } from './values/named-model.ts';
import { resume, resumeOfModel } from './values/resume.ts';
import { placement } from './placement.ts';
import { listedWorker } from './listed-worker.ts';
import { cache, idempotency, sessions, singleFlight } from './reuse.ts';
import { state } from './state.ts';
import { telemetry } from './telemetry.ts';

// The one place that says which settings exist, their defaults and ranges. Rules between settings are in cross-checks.ts.

const server = z.strictObject({
  host: host().default('127.0.0.1').describe('Address to listen on. 0.0.0.0 or :: listens on every address of the machine.'),
  port: count(0, 65535).default(8080).describe('Port of the API. 0 takes any free port and names it in the line printed when ready.'),
  processes: processes(),
  probe_port: count(0, 65535)
    .nullable()
    .default(null)
    .describe('Port for /livez, /readyz and /startupz that a thread of its own answers, however busy the gateway is; null: none.'),
  max_body_bytes: count(1, 1024 ** 3)
    .default(33_554_432)
    .describe('Largest request body in bytes; a larger one is answered 413.'),
  header_timeout_ms: ms(1, HOUR_MS).default(15_000).describe('How long a client may take to send its request headers.'),
  upload_timeout_ms: ms(1, HOUR_MS).default(60_000).describe('How long a client may take to send its request body.'),
  cors: z
    .strictObject({
      allowed_origins: z
        .union([z.literal(['auto', '*']), z.array(checked(originProblem)).max(256)])
        .default('auto')
        .describe(
          "Pages that may call the API from a browser: a list of origins, such as [https://chat.example.com], or '*' for all. auto: all where a key is asked for, otherwise pages of localhost, 127.0.0.1 and [::1].",
        ),
    })
    .prefault({})
    .describe('Apps in a browser that come from another origin.'),
});

const admin = z.strictObject({
  host: host().default('127.0.0.1').describe('Address of the admin listener; only used when admin.port is set.'),
  port: count(0, 65535).nullable().default(null).describe('Own port for /admin and /debug; null serves them on the port of the API.'),
  key: adminKey().nullable().default(null).meta({
    description: 'Key that /admin and /debug ask for. null: one is made at the first start, in admin.key in supervisor.state_dir.',
    writeOnly: true,
  }),
});

const supervisor = z.strictObject({
  enabled: z
    .literal(['auto', true, false])
    .default('auto')
    .describe('Whether to launch and watch vLLM. auto: yes, unless workers lists external servers.'),
  engine: z
    .enum(['auto', 'vllm', 'sim'])
    .default('auto')
    .describe('What to launch. auto: vllm where there is a GPU, otherwise the simulated engine.'),
  vllm_command: z
    .array(z.string().min(1).max(4096))
    .min(1)
    .max(64)
    .default(['vllm', 'serve'])
    .describe('Program and first arguments that start vLLM; the model and its flags are appended.'),
  profile: fileName().default('auto').describe('Name of a GPU profile (profiles/gpu). auto picks by what the driver reports.'),
  tuning: fileName().default('balanced').describe('Name of a tuning (profiles/tuning) laid over the GPU profile.'),
  profiles_dir: path()
    .nullable()
    .default(null)
    .describe(
      'Folder with profiles of your own (gpu, models, tuning), laid over the package’s. null: profiles beside state_dir, if there.',
    ),
  replicas: count(1, 64).default(1).describe('Workers to run for the default model, each on GPUs of its own.'),
  placement: placement(),
  port_range: z
    .tuple([count(1, 65535), count(1, 65535)])
    .default([18_000, 18_099])
    .describe('First and last loopback port that launched workers may take.'),
  state_dir: path().default('.headgate').describe('Folder for what must outlive a restart: worker records, logs, the control socket.'),
  start_timeout_ms: ms(1).default(900_000).describe('How long a worker may take from its launch until it is ready.'),
  control: checked(controlProblem)
    .default('auto')
    .describe('Where gateway and supervisor talk: auto (a socket in state_dir), the path of a socket, or http://127.0.0.1:PORT.'),
});

/** A value on vLLM's command line; lists and objects are for flags that take several values or JSON. */
export type EngineValue = string | number | boolean | null | readonly EngineValue[] | { readonly [key: string]: EngineValue };
const engineValue: z.ZodType<EngineValue, EngineValue> = z.json() as z.ZodType<EngineValue, EngineValue>;

const modelObject = z.strictObject({
  id: modelName().describe('Name that clients ask for; also the name of its entry in profiles/models, if it has one.'),
  source: z
    .string()
    .min(1)
    .max(4096)
    .nullable()
    .default(null)
    .describe('Repository or folder of the weights; null takes it from profiles/models.'),
  aliases: z.array(modelName()).default([]).describe('Other names for it, such as gpt-4o for applications that cannot be changed.'),
  engine: z
    .record(
      z.string().regex(/^(?!__proto__$)[a-z0-9][a-z0-9_.-]*$/i, 'expected the name of a vllm serve flag, without the leading --'),
      engineValue,
    )
    .default({})
    .describe('Flags of vllm serve for this model, without the leading dashes; they beat the profile.'),
  swap: z
    .strictObject({
      strategy: z
        .enum(['cold', 'sleep'])
        .nullable()
        .default(null)
        .describe(
          'When another model needs the GPU. cold: it ends. sleep: it keeps its process and gives its memory back. null: the profile.',
        ),
      sleep_level: z
        .literal([1, 2])
        .nullable()
        .default(null)
        .describe('1 keeps the weights in main memory while it sleeps, 2 reads them from the disk again. null: the profile.'),
      dwell_ms: ms(0).nullable().default(null).describe('How long it stays at least, once it is ready. null: the profile.'),
      idle_unload_ms: ms(1)
        .nullable()
        .default(null)
        .describe('Without a request for this long it is unloaded. null: the profile, where none says so it stays.'),
    })
    .prefault({})
    .describe('How it takes turns with other models on one GPU.'),
  resume: resumeOfModel(),
});

const model = z
  .union([modelName(), modelObject])
  .transform((entry): z.output<typeof modelObject> => (typeof entry === 'string' ? modelObject.parse(namedModel(entry)) : entry));

const batchWindow = z.strictObject({
  window_ms: ms(0, 1000).default(0).describe('How long to hold requests so that a burst leaves together. 0 = off; 20 and 50 are usual.'),
  max_batch_size: count(1, 1024).default(8).describe('The window closes early when this many requests wait in it.'),
  guardrail: z
    .strictObject({
      p95_slo_ms: ms(1).default(5000).describe('Narrow the window when the 95th percentile of the time to the first byte is above this.'),
      enabled: z.boolean().default(true).describe('false keeps window_ms whatever the latency.'),
    })
    .prefault({})
    .describe('Narrows the window when it costs more than it brings.'),
});

const admission = z.strictObject({
  max_queue: count(0, 1_000_000).default(100).describe('Requests that may wait for a slot; more are refused at once. 0 = nobody waits.'),
  queue_timeout_ms: ms(1).default(30_000).describe('How long a request may wait for a slot before it is refused.'),
  headroom: z
    .number()
    .min(0)
    .max(10)
    .default(0.25)
    .describe('Slots beyond what the workers run at once, as a share of it (0.25 = a quarter more).'),
  reject_status: z.literal([503, 429]).default(503).describe('Status of a refusal because of load: 503 or 429.'),
});

const pressure = z.strictObject({
  warn_kv_usage: share().default(0.85).describe("Use of a worker's KV cache (0..1) from which fewer requests are let in."),
  critical_kv_usage: share()
    .default(0.95)
    .describe("Use of a worker's KV cache (0..1) from which new requests are refused while others wait at the worker."),
  scrape_interval_ms: ms(10, HOUR_MS).default(500).describe("How often each worker's /metrics is read."),
});

const circuitBreaker = z.strictObject({
  failures: count(1, 10_000).default(5).describe('Failures in a row that open the breaker of a worker.'),
  window_ms: ms(1, HOUR_MS).default(30_000).describe('Time over which the failure rate is taken.'),
  failure_rate: z.number().gt(0).max(1).default(0.5).describe('Share of failed requests in the window that opens the breaker.'),
  min_requests: count(1, 100_000).default(10).describe('Requests in the window below which the rate does not count.'),
  open_ms: ms(1, HOUR_MS).default(30_000).describe('Longest pause before an open breaker lets one probe through.'),
  success_to_close: count(1, 1000).default(2).describe('Successful probes that close the breaker again.'),
});

const loadBalancer = z.strictObject({
  policy: z
    .enum(['p2c', 'round_robin', 'least_loaded'])
    .default('p2c')
    .describe('How a worker is chosen: the better of two at random, in turn, or the least loaded.'),
  affinity: z
    .enum(['none', 'session', 'prefix'])
    .default('none')
    .describe('Prefer the worker that has seen the conversation (see sessions) or the start of the prompt, for its prefix cache.'),
  slow_start_ms: ms(0, HOUR_MS).default(30_000).describe('Time over which a worker that became ready gets its full share. 0 = at once.'),
});

const retry = z.strictObject({
  max_attempts: count(1, 10).default(2).describe('Attempts in all, each at another worker or another life of one; 1 = never retry.'),
  budget_ratio: share().default(0.2).describe('Retries allowed as a share of requests, so that an outage is not multiplied.'),
});

const timeouts = z.strictObject({
  connect_ms: ms(1, HOUR_MS).default(3000).describe('Connecting to a worker.'),
  first_token_ms: ms(1)
    .default(60_000)
    .describe('From sending a streamed request to the first token, while the worker is not seen to work on anything.'),
  idle_ms: ms(1).default(60_000).describe('Between two tokens of a stream, while the worker is not seen to work on anything.'),
  stream_total_ms: ms(1).default(300_000).describe('A streamed request as a whole, where its worker makes no progress.'),
  request_total_ms: ms(1).default(60_000).describe('A request without streaming as a whole, where its worker makes no progress.'),
  stream_max_ms: ms(1).default(3_600_000).describe('A streamed request as a whole, in any case.'),
  request_max_ms: ms(1).default(600_000).describe('A request without streaming as a whole, in any case.'),
});

const stream = z.strictObject({
  keep_alive_ms: ms(0, HOUR_MS).default(30_000).describe('Send ": keep-alive" comments this often while the engine is silent. 0 = off.'),
});

const shutdown = z.strictObject({
  settle_ms: ms(0, HOUR_MS).default(3000).describe('Keep accepting this long after /readyz says no, until load balancers have noticed.'),
  grace_ms: ms(0)
    .default(30_000)
    .describe(
      'How long running requests may take to finish before they are cut, when the gateway stops, and when an engine is stopped, restarted or changed for another model.',
    ),
});

const log = z.strictObject({
  level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info').describe('Least level that is written.'),
  format: z
    .enum(['auto', 'json', 'pretty'])
    .default('auto')
    .describe('json: one object a line. pretty: for people. auto: pretty on a terminal, json anywhere else.'),
  keep_mb: count(0, 65_536)
    .default(64)
    .describe(
      'Megabytes of the last lines that are kept for "headgate logs", in four files under supervisor.state_dir, older ones given up. 0 = none.',
    ),
});

export const settingsSchema = z.strictObject({
  server: server.prefault({}).describe('The listener that clients use.'),
  admin: admin.prefault({}).describe('Where /admin and /debug are served, and to whom.'),
  auth: auth.prefault({}).describe('Who may use the API.'),
  limits: limits.prefault({}).describe('How much each key, and each address without one, may ask for.'),
  state: state.prefault({}).describe('What several gateways share.'),
  workers: z
    .array(listedWorker())
    .max(1024)
    .default([])
    .describe('Running vLLM servers to stand in front of. Empty: the supervisor launches them.'),
  supervisor: supervisor.prefault({}).describe('Launches vLLM and keeps it alive.'),
  models: z
    .array(model)
    .max(1024)
    .default([])
    .describe('Models to offer: ids from profiles/models, or entries of your own. The first is the default.'),
  batch_window: batchWindow.prefault({}).describe('Holds requests for some milliseconds so that a burst reaches the engine together.'),
  admission: admission.prefault({}).describe('How many requests run and wait; more are refused with Retry-After.'),
  pressure: pressure.prefault({}).describe("When a worker's KV cache counts as nearly full."),
  circuit_breaker: circuitBreaker.prefault({}).describe('When a failing worker is left alone for a while.'),
  load_balancer: loadBalancer.prefault({}).describe('Which worker gets a request.'),
  sessions: sessions().prefault({}).describe('How conversations are told apart and kept, with load_balancer.affinity: session.'),
  retry: retry.prefault({}).describe('Whether a request that failed before its first byte is tried elsewhere.'),
  resume: resume().prefault({}).describe('Streams whose worker is lost in the middle of the answer.'),
  cache: cache().prefault({}).describe('Answers that are given again.'),
  single_flight: singleFlight().prefault({}).describe('Answers that several requests share while they are made.'),
  idempotency: idempotency().prefault({}).describe('Requests that are sent again.'),
  database: database().prefault({}).describe('What is known after a restart: who used how much.'),
  files: files().prefault({}).describe('Files that clients upload (/v1/files), and that batches write.'),
  batches: batches().prefault({}).describe('Many requests in one file, run as others leave room (/v1/batches).'),
  timeouts: timeouts.prefault({}).describe('How long each part of a request may take.'),
  stream: stream.prefault({}).describe('Streamed answers.'),
  shutdown: shutdown.prefault({}).describe('How the gateway drains when it is told to stop.'),
  log: log.prefault({}).describe('The log on standard output. Prompts and keys are never logged.'),
  metrics: metrics.prefault({}).describe('Who may read /metrics.'),
  telemetry: telemetry.prefault({}).describe('Traces.'),
});

// EngineValue is readonly already, and recursive: walking into it would never end.
type DeepReadonly<T> = EngineValue extends T ? T : T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** Every setting, resolved. Keys are those of the file; units are in their names. */
export type Settings = DeepReadonly<z.output<typeof settingsSchema>>;
/** What a file may hold: any part of the settings. */
export type SettingsInput = z.input<typeof settingsSchema>;
export type ModelSettings = Settings['models'][number];

/** The settings when nothing is set. A fresh object each time. */
export function defaultSettings(): Settings {
  return settingsSchema.parse({});
}

/** Whether the API is for those who have a key, and perhaps for others too. A file without keys lets nobody in. */
export function asksForKeys({ keys, keys_file: file }: Settings['auth']): boolean {
  return keys.length > 0 || file !== null;
}

/** Whether `headgate serve` launches workers: resolves `supervisor.enabled: auto`. */
export function supervisorIsOn(settings: Settings): boolean {
  const { enabled } = settings.supervisor;
  return enabled === 'auto' ? settings.workers.length === 0 : enabled;
}
