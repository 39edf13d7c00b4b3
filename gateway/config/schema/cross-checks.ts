import { isDeepStrictEqual } from 'node:util';
import { isLoopbackHost, isWildcardHost } from './values/addresses.ts';
import { keyFindings } from './key-findings.ts';
import { nearestName } from './nearest-name.ts';
import type { Path } from './origins.ts';
import { asksForKeys, defaultSettings, launchable, type Settings, supervisorIsOn } from './settings.ts';
import { poolFindings } from './values/model-pools.ts';

/** A rule between settings that is not kept. */
interface CrossFinding {
  readonly severity: 'error' | 'warning';
  /** The setting to change first; the message makes sense at any of those involved. */
  readonly path: Path;
  /** The others that the rule looked at. */
  readonly related: readonly Path[];
  readonly message: string;
}

/** Everything that is wrong between settings which are each fine by themselves. */
export function crossFindings(settings: Settings): CrossFinding[] {
  return [
    ...access(settings),
    ...clientKeys(settings),
    ...ports(settings),
    ...thresholds(settings),
    ...workers(settings),
    ...modelNames(settings),
    ...pools(settings),
    ...placements(settings),
    ...neverReached(settings),
    ...unusedSessions(settings),
    ...fileSizes(settings),
    ...filesInDatabase(settings),
  ];
}

function* access({ server, auth }: Settings): Generator<CrossFinding> {
  const related = [
    ['auth', 'allow_anonymous'],
    ['auth', 'keys'],
    ['auth', 'keys_file'],
  ];
  const isOpen = !asksForKeys(auth);
  if (isOpen && !isLoopbackHost(server.host) && auth.allow_anonymous !== true) {
    const message = `listening on ${server.host} lets anyone who can reach it use the API: set keys (auth.keys; "headgate key new NAME" makes one), or auth.allow_anonymous: true if that is meant, or server.host: 127.0.0.1`;
    yield error(['server', 'host'], related, message);
  } else if (isOpen && auth.allow_anonymous === false) {
    yield error(
      ['auth', 'allow_anonymous'],
      related,
      'allow_anonymous: false without keys would refuse every request: set it to null (anonymous on loopback only) or true',
    );
  }
}

function* clientKeys({ auth }: Settings): Generator<CrossFinding> {
  for (const { severity, index, field, message } of keyFindings(auth.keys)) {
    yield { severity, path: ['auth', 'keys', index, field], related: [['auth', 'keys']], message };
  }
}

function* ports(settings: Settings): Generator<CrossFinding> {
  const { server, admin, supervisor } = settings;
  if (admin.port !== null && admin.port !== 0 && admin.port === server.port) {
    yield error(
      ['admin', 'port'],
      [['server', 'port']],
      `admin.port and server.port are both ${admin.port}: choose another, or admin.port: null to share the listener`,
    );
  }
  const { probe_port: probes } = server;
  for (const { path, port } of [
    { path: 'server.port', port: server.port },
    { path: 'admin.port', port: admin.port },
  ]) {
    if (probes === null || probes === 0 || probes !== port) continue;
    yield error(['server', 'probe_port'], [path.split('.')], `server.probe_port and ${path} are both ${probes}: choose another`);
  }
  const range: Path = ['supervisor', 'port_range'];
  const [from, to] = supervisor.port_range;
  if (from >= to) yield error(range, [], `the first port must be below the last; got [${from}, ${to}]`);
  else if (supervisor.replicas > to - from + 1) {
    yield error(range, [['supervisor', 'replicas']], `port_range has ${to - from + 1} ports, too few for ${supervisor.replicas} replicas`);
  }
  if (!supervisorIsOn(settings)) return;
  const listeners = [
    { path: ['server', 'port'], port: server.port },
    { path: ['server', 'probe_port'], port: probes },
    { path: ['admin', 'port'], port: admin.port },
  ];
  for (const { path, port } of listeners) {
    if (port === null || port < from || port > to) continue;
    yield error(
      path,
      [range, ['supervisor', 'enabled'], ['workers']],
      `${path.join('.')} ${port} lies in supervisor.port_range [${from}, ${to}], which is for workers: choose another`,
    );
  }
}

function* thresholds({ pressure }: Settings): Generator<CrossFinding> {
  if (pressure.warn_kv_usage < pressure.critical_kv_usage) return;
  const message = `warn_kv_usage (${pressure.warn_kv_usage}) must be below critical_kv_usage (${pressure.critical_kv_usage})`;
  yield error(['pressure', 'warn_kv_usage'], [['pressure', 'critical_kv_usage']], message);
}

function* workers(settings: Settings): Generator<CrossFinding> {
  const { server } = settings;
  const first = new Map<string, number>();
  for (const [i, { url, kubernetes, dns }] of settings.workers.entries()) {
    const given = [url, kubernetes, dns].filter((each) => each !== null).length;
    if (given !== 1) {
      yield error(['workers', i], [], 'expected one of url, kubernetes and dns here');
      continue;
    }
    if (kubernetes !== null && (kubernetes.service === null) === (kubernetes.selector === null)) {
      yield error(['workers', i, 'kubernetes'], [], 'expected one of service and selector here');
      continue;
    }
    if (url === null) {
      const key = kubernetes === null ? 'dns' : 'kubernetes';
      const place = JSON.stringify(kubernetes ?? dns);
      const earlier = first.get(place);
      if (earlier !== undefined) yield error(['workers', i, key], [['workers']], `the same as workers[${earlier}].${key}`);
      else first.set(place, i);
      continue;
    }
    const path: Path = ['workers', i, 'url'];
    const earlier = first.get(url);
    if (earlier !== undefined) yield error(path, [['workers']], `${url} is workers[${earlier}] already`);
    else first.set(url, i);
    const { hostname, port, protocol } = new URL(url);
    const number = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
    const ours = isLoopbackHost(server.host) || isWildcardHost(server.host);
    if (ours && isLoopbackHost(hostname) && number === server.port) {
      yield error(
        path,
        [
          ['server', 'port'],
          ['server', 'host'],
        ],
        `${url} is the gateway itself (server.port ${server.port})`,
      );
    }
  }
}

function* modelNames({ models }: Settings): Generator<CrossFinding> {
  const owner = new Map<string, string>();
  for (const [i, { id }] of models.entries()) {
    if (owner.has(id)) yield error(['models', i, 'id'], [['models']], `${id} is listed twice`);
    else owner.set(id, `the id of models[${i}]`);
  }
  for (const [i, { aliases }] of models.entries()) {
    for (const [j, alias] of aliases.entries()) {
      const earlier = owner.get(alias);
      if (earlier !== undefined) yield error(['models', i, 'aliases', j], [['models']], `${alias} is ${earlier} already`);
      else owner.set(alias, `an alias of models[${i}]`);
    }
  }
}

function* pools(settings: Settings): Generator<CrossFinding> {
  const { models, workers: listed } = settings;
  // One worker that is asked may serve anything.
  const served = listed.some((worker) => worker.models === null) ? null : listed.flatMap((worker) => worker.models!);
  for (const { index, at, message } of poolFindings(models, served, nearestName))
    yield error(['models', index, ...at], [['models'], ['workers']], message);
  if (supervisorIsOn(settings) && models.length > 0 && launchable(settings).length === 0)
    yield error(['models'], [], 'there are only pools: list the models in them as well, so that they are launched');
}

function* placements({ models: all, supervisor }: Settings): Generator<CrossFinding> {
  const models = launchable({ models: all });
  if (supervisor.placement === 'auto' || models.length === 0) return;
  const ids = models.map(({ id }) => id);
  for (const name of Object.keys(supervisor.placement)) {
    if (ids.includes(name)) continue;
    const near = nearestName(name, ids);
    const hint = near === null ? `there are ${ids.join(', ')}` : `did you mean ${near}?`;
    yield error(['supervisor', 'placement', name], [['models']], `${name} is none of models; ${hint}`);
  }
}

function* neverReached({ timeouts, admin, telemetry }: Settings): Generator<CrossFinding> {
  const pairs = [
    ['first_token_ms', 'stream_total_ms'],
    ['idle_ms', 'stream_total_ms'],
    ['connect_ms', 'request_total_ms'],
    ['stream_total_ms', 'stream_max_ms'],
    ['request_total_ms', 'request_max_ms'],
  ] as const;
  for (const [part, whole] of pairs) {
    if (timeouts[part] <= timeouts[whole]) continue;
    const message = `${part} (${timeouts[part]}) is never reached: ${whole} (${timeouts[whole]}) ends the request before`;
    yield warning(['timeouts', part], [['timeouts', whole]], message);
  }
  if (admin.port === null && admin.host !== '127.0.0.1') {
    yield warning(['admin', 'host'], [['admin', 'port']], 'admin.host has no effect while admin.port is null');
  }
  const untouched = defaultSettings().telemetry;
  for (const name of ['headers', 'service_name', 'sample_ratio', 'slow_ms'] as const) {
    if (telemetry.otlp_endpoint !== null || isDeepStrictEqual(telemetry[name], untouched[name])) continue;
    const message =
      'has no effect without telemetry.otlp_endpoint: a traceparent that comes in is passed on to the worker, and that is all';
    yield warning(['telemetry', name], [['telemetry', 'otlp_endpoint']], message);
  }
}

function* unusedSessions({ sessions, load_balancer }: Settings): Generator<CrossFinding> {
  if (load_balancer.affinity === 'session') return;
  const untouched = defaultSettings().sessions;
  for (const name of ['idle_ms', 'max_entries', 'from'] as const) {
    if (String(sessions[name]) === String(untouched[name])) continue;
    const message = `has no effect while load_balancer.affinity is ${load_balancer.affinity}: set that to session`;
    yield warning(['sessions', name], [['load_balancer', 'affinity']], message);
  }
}

function* fileSizes({ files }: Settings): Generator<CrossFinding> {
  const { max_file_bytes: most, batch_max_file_bytes: ofBatch, max_total_bytes: total } = files;
  if (ofBatch > most) {
    const message = `batch_max_file_bytes (${ofBatch}) is never reached: max_file_bytes (${most}) is for every file`;
    yield warning(['files', 'batch_max_file_bytes'], [['files', 'max_file_bytes']], message);
  }
  if (total !== null && total < most) {
    const message = `max_total_bytes (${total}) is less than one file may have: max_file_bytes (${most})`;
    yield warning(['files', 'max_total_bytes'], [['files', 'max_file_bytes']], message);
  }
}

function* filesInDatabase({ files, database }: Settings): Generator<CrossFinding> {
  if (files.dir !== 'database' || /^postgres(?:ql)?:/i.test(database.url)) return;
  const message = 'keeping files in the database takes PostgreSQL, and database.url names none: set it, or name a folder';
  yield error(['files', 'dir'], [['database', 'url']], message);
}

function error(path: Path, related: readonly Path[], message: string): CrossFinding {
  return { severity: 'error', path, related, message };
}

function warning(path: Path, related: readonly Path[], message: string): CrossFinding {
  return { severity: 'warning', path, related, message };
}
