import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { EXIT_INVALID } from '../../gateway/config/exit-codes.ts';
import { defaultSettings } from '../../gateway/config/schema/settings.ts';
import { VERSION } from '../../gateway/core/version.ts';
import { COMMANDS } from '../../scripts/commands/table.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { Compose, laidOver } from './deploy/compose.ts';
import { environmentOfImage, interpolated, listOf, numberOf, stageOf, startedWith } from './deploy/containers.ts';
import { findings } from './deploy/findings.ts';
import { type Manifest, render } from './deploy/kustomize.ts';
import { isStore } from './deploy/store.ts';
import { mistyped } from './deploy/typed.ts';

const DEPLOY = fileURLToPath(new URL('../../deploy', import.meta.url));
const text = (path: string): string => readFileSync(join(DEPLOY, path), 'utf8');
const OVERLAYS = readdirSync(join(DEPLOY, 'kubernetes/overlays'));
const rendered = Object.fromEntries(OVERLAYS.map((name) => [name, render(join(DEPLOY, 'kubernetes/overlays', name))]));
const DOCKERFILE = text('docker/Dockerfile');
const has = (program: string, ...args: string[]): boolean => spawnSync(program, args).error === undefined;

const UNITS = readdirSync(join(DEPLOY, 'systemd'));
describe.each(UNITS)('%s', (name) => {
  const unit = text(`systemd/${name}`);
  const value = (key: string): string | undefined => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1];

  test('starts a command that there is, with flags that it has', () => {
    const [program, command, ...flags] = value('ExecStart')!.split(' ');
    expect(program).toMatch(/^\/.*\/headgate$/);
    const known = COMMANDS.find((each) => each.name === command)!;
    for (const flag of flags) expect(known.flags.map(([own]) => own)).toContain(flag);
  });

  test('is not ended before what runs has had its time, and not started again with settings that are wrong', () => {
    const { settle_ms, grace_ms } = defaultSettings().shutdown;
    expect(Number(value('TimeoutStopSec')) * 1_000).toBeGreaterThan(settle_ms + grace_ms);
    expect(value('RestartPreventExitStatus')).toBe(String(EXIT_INVALID));
  });
});

test.skipIf(!has('systemd-analyze', '--version'))('systemd finds nothing wrong with the units', () => {
  const folder = scratchFolder();
  // Where it is installed is not where it will be: any program that is there does for the check.
  for (const unit of UNITS) writeFileSync(join(folder, unit), text(`systemd/${unit}`).replace('/usr/local/bin/headgate', '/bin/true'));
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...UNITS.map((unit) => join(folder, unit))], {
    encoding: 'utf8',
  });
  // What it says of units of the machine that it looks at on the way is none of ours.
  expect(stderr.split('\n').filter((line) => line.includes('headgate'))).toEqual([]);
  expect(status).toBe(0);
});

describe('Kubernetes', () => {
  const broken: Record<string, readonly [string, (manifests: any[]) => void]> = {
    misspelt: ['\'"livenesProbe"\' does not exist', ([, pod]) => (pod.spec.template.spec.containers[0].livenesProbe = {})],
    text: ["'string' is not assignable", ([, pod]) => (pod.spec.template.spec.terminationGracePeriodSeconds = 'soon')],
    missing: ['\'"selector"\' is missing', ([, pod]) => delete pod.spec.selector],
    stranger: ['no such kind', (all) => all.push({ apiVersion: 'v2', kind: 'Pod' })],
  };
  const changed = (change: (manifests: any[]) => void, of = 'fleet'): Manifest[] => {
    const copy = structuredClone(rendered[of]!);
    change(copy);
    return copy;
  };

  test('every manifest is as its types say, and one that is not is found', { timeout: 60_000 }, () => {
    const wrong = Object.fromEntries(Object.entries(broken).map(([name, [, change]]) => [name, changed(change)]));
    const found = mistyped({ ...rendered, ...wrong });
    for (const name of OVERLAYS) expect(found[name], name).toEqual([]);
    for (const [name, [message]] of Object.entries(broken)) expect(found[name]!.join('\n'), name).toContain(message);
  });

  test.each(OVERLAYS)('%s: its parts agree with each other and with Headgate', (name) => {
    expect(findings(rendered[name]!)).toEqual([]);
  });

  test.each(OVERLAYS.filter((name) => name.startsWith('fleet')))('%s has what its gateways divide places by', (name) => {
    expect(rendered[name]!.filter(isStore).length).toBe(1);
  });

  test('a patch that is no longer for what it finds is refused', () => {
    const base = render(join(DEPLOY, 'kubernetes/bases/gateway'));
    base.find(({ kind }) => kind === 'Deployment')!.spec.template.spec.containers[0].env.reverse();
    expect(() => render(join(DEPLOY, 'kubernetes/components/store'), base)).toThrow(/env\/1\/name there is/);
  });

  test.each(OVERLAYS.filter((name) => !name.startsWith('fleet')))('%s is for the cards that its profile is for', (name) => {
    const { match } = parse(readFileSync(join(DEPLOY, `../profiles/gpu/${name}.yaml`), 'utf8')) as { match: { name: string } };
    const { spec } = rendered[name]!.find(({ kind }) => kind === 'StatefulSet')!.spec.template;
    const terms = spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms;
    // GPU Feature Discovery puts a dash for each blank.
    for (const product of terms[0].matchExpressions[0].values) expect(product.replaceAll('-', ' ')).toMatch(new RegExp(match.name));
    expect(spec.containers[0].env).toContainEqual({ name: 'HEADGATE_SUPERVISOR__PROFILE', value: name });
  });

  test.skipIf(!has('kubectl'))('kubectl makes the same of the kustomizations as these tests do', () => {
    for (const name of OVERLAYS) {
      const printed = execFileSync('kubectl', ['kustomize', join(DEPLOY, 'kubernetes/overlays', name)], { encoding: 'utf8' });
      const theirs = printed.split(/^---$/m).map((each) => parse(each.replaceAll(/(headgate-settings)-\w{10}$/gm, '$1')) as Manifest);
      const byName = (all: readonly Manifest[]) => Object.fromEntries(all.map((each) => [`${each.kind}/${each.metadata.name}`, each]));
      expect(byName(rendered[name]!)).toEqual(byName(theirs));
    }
  });
});

describe('the chart', () => {
  const chart = join(DEPLOY, 'helm/headgate');
  const values = parse(text('helm/headgate/values.yaml')) as Record<string, unknown>;

  test('has a schema for each value, and uses each', () => {
    const { properties } = JSON.parse(text('helm/headgate/values.schema.json')) as { properties: Record<string, unknown> };
    const { global: _, ...own } = properties;
    expect(Object.keys(own).toSorted()).toEqual(Object.keys(values).toSorted());
    const templates = readdirSync(join(chart, 'templates')).map((name) => text(`helm/headgate/templates/${name}`));
    const used = templates.join('\n').matchAll(/(?:\.Values|\$values)\.(\w+)/g);
    expect([...new Set([...used].map(([, name]) => name!))].toSorted()).toEqual(Object.keys(values).toSorted());
    const { version, appVersion } = parse(text('helm/headgate/Chart.yaml')) as { version: string; appVersion: string };
    expect([version, appVersion]).toEqual([VERSION, VERSION]);
  });

  const withHelm = test.skipIf(!has('helm'));
  const template = (...args: string[]): Manifest[] => {
    const flags = ['--namespace', 'headgate', '--kube-version', '1.34.0', ...args];
    const printed = execFileSync('helm', ['template', 'headgate', chart, ...flags], { encoding: 'utf8', stdio: 'pipe' });
    const documents = printed.split(/^---$/m).filter((each) => /^kind:/m.test(each));
    return documents.map((each) => parse(each) as Manifest);
  };
  withHelm('helm makes of it manifests that are right, whatever the values say', { timeout: 60_000 }, () => {
    const settings = (worker: string): string =>
      `settings={server: {host: 0.0.0.0, probe_port: 8081}, auth: {keys_file: /etc/headgate/keys/keys.yaml}, workers: [{${worker}}]}`;
    const made = {
      card: template(),
      gateway: template('--set', 'shape=gateway,serviceMonitor=true'),
      // In front of servers that are there already.
      discovery: [
        ...template(
          '--set',
          'shape=gateway,discovery=true',
          '--set-literal',
          settings('kubernetes: {service: vllm-l4, port: http}, max_num_seqs: 64'),
        ),
        ...rendered['fleet-mixed']!.filter(({ kind, metadata }) => metadata.name === 'vllm-l4' && /^(?:Service|Deployment)$/.test(kind)),
      ],
      rules: template('--set', 'rules=true,runbooks=https://wiki.example/headgate/'),
      settings: template('--set', 'shape=gateway', '--set-literal', settings('url: http://a')),
      l4: template('--set', 'gpu.profile=l4,gpu.products={NVIDIA-L4},image=registry/headgate-vllm:0.1.0,storage=90Gi,replicas=2'),
    };
    for (const found of Object.values(mistyped(made))) expect(found).toEqual([]);
    for (const manifests of Object.values(made)) expect(findings(manifests)).toEqual([]);
    const pages = made.rules.flatMap((each) => [...JSON.stringify(each).matchAll(/"runbook_url":"([^"]+)\/\w+\.md"/g)].map(([, at]) => at));
    expect(pages.length).toBe(readdirSync(join(DEPLOY, 'runbooks')).length);
    expect([...new Set(pages)]).toEqual(['https://wiki.example/headgate']);
    const { spec } = made.l4.find(({ kind }) => kind === 'StatefulSet')!;
    expect(spec.replicas).toBe(2);
    expect(spec.template.spec.containers[0].env).toContainEqual({ name: 'HEADGATE_SUPERVISOR__PROFILE', value: 'l4' });
    expect(spec.template.spec.affinity).toEqual(rendered['l4']!.find(({ kind }) => kind === 'StatefulSet')!.spec.template.spec.affinity);
  });
  withHelm('helm makes of a base what kustomize makes of it, but for what says whose it is', { timeout: 60_000 }, () => {
    const byName = (all: readonly Manifest[]) => Object.fromEntries(all.map((each) => [`${each.kind}/${each.metadata.name}`, each]));
    const base = (shape: string): Manifest[] => render(join(DEPLOY, 'kubernetes/bases', shape));
    const sides: readonly (readonly [string, Manifest[]])[] = [
      ['shape=card', base('card')],
      ['shape=gateway', base('gateway')],
      ['shape=gateway,discovery=true', render(join(DEPLOY, 'kubernetes/components/discovery'), base('gateway'))],
    ];
    for (const [set, ours] of sides) {
      const theirs = structuredClone(template('--set', set));
      for (const { kind, metadata, spec, subjects = [] } of theirs) {
        delete metadata.namespace;
        for (const subject of subjects) delete subject.namespace;
        for (const label of ['app.kubernetes.io/managed-by', 'helm.sh/chart']) delete metadata.labels![label];
        if (Object.keys(metadata.labels!).length === 0) delete (metadata as { labels?: unknown }).labels;
        if (kind !== 'Deployment' && kind !== 'StatefulSet') continue;
        const { metadata: pod, spec: inPod } = spec.template;
        expect(Object.keys(pod.annotations)).toEqual(['headgate/settings']);
        delete pod.annotations;
        const [container] = inPod.containers;
        container.env = container.env.filter(({ name }: { name: string }) => name !== 'HEADGATE_SUPERVISOR__PROFILE');
      }
      expect(byName(theirs), set).toEqual(byName(ours));
    }
  });
  withHelm('helm refuses a value that is none, and discovery where workers are the card’s own', () => {
    expect(() => template('--set', 'shap=card')).toThrow(/\bshap\b.* not allowed/);
    expect(() => template('--set', 'discovery=true')).toThrow(/workers are found by a gateway alone \(shape: gateway\)/);
  });
});

describe('compose', () => {
  const file = (name: string) => Compose.parse(interpolated(text(`compose/${name}.yaml`)));
  const whole = {
    compose: () => file('compose'),
    gpu: () => laidOver(file('compose'), file('gpu')),
    observability: () => laidOver(file('compose'), file('observability')),
    fleet: () => file('fleet'),
    fleetObservability: () => laidOver(file('fleet'), file('observability')),
  };

  test.each(Object.entries(whole))('%s: keys that there are, images that are pinned, files that are there', (name, services) => {
    const written = readdirSync(join(DEPLOY, 'compose')).filter((each) => each.endsWith('.yaml'));
    expect(Object.keys(whole).map((each) => `${each}.yaml`)).toEqual(expect.arrayContaining(written));
    const all = services();
    for (const [service, { image, build, volumes = [], depends_on = [] }] of Object.entries(all.services)) {
      expect(image, service).toMatch(/^\S+:v?\d+\.[\d.]+(-alpine)?$|^postgres:17-alpine$/);
      if (build) expect(stageOf(DOCKERFILE, build.target).length).toBeGreaterThan(0);
      for (const volume of volumes) {
        const [from] = volume.split(':') as [string];
        if (from.startsWith('.')) expect(existsSync(join(DEPLOY, 'compose', from)), `${name}: ${from}`).toBe(true);
        else expect(Object.keys(all.volumes ?? {})).toContain(from);
      }
      for (const other of Array.isArray(depends_on) ? depends_on : Object.keys(depends_on)) expect(all.services).toHaveProperty(other);
    }
  });

  test.each(Object.entries(whole))('%s: Headgate starts with what it is given, and has the time to end', (name, services) => {
    for (const [service, { image, build, command, environment = {}, stop_grace_period }] of Object.entries(services().services)) {
      if (!image!.startsWith('headgate')) continue;
      expect(image!.split(':')[1]).toBe(VERSION);
      const env = { ...environmentOfImage(DOCKERFILE, build?.target ?? 'gateway'), ...environment };
      const { settings, problems } = startedWith(command!, env, null);
      expect(problems, `${name}: ${service}`).toEqual([]);
      if (settings === null) continue;
      const engines = command![0] === 'serve' ? 60_000 : 0;
      expect(Number.parseInt(stop_grace_period!) * 1_000).toBeGreaterThan(
        settings.shutdown.settle_ms + settings.shutdown.grace_ms + engines,
      );
    }
  });

  test('the gateways of the fleet send each worker as many calls as it runs at once', () => {
    const { services } = file('fleet');
    const { command, environment } = services['headgate']!;
    const { settings } = startedWith(command!, { ...environmentOfImage(DOCKERFILE, 'gateway'), ...environment }, null);
    expect(settings!.workers.length).toBe(2);
    for (const { url, max_num_seqs } of settings!.workers)
      expect(numberOf(services[new URL(url!).hostname]!.command!, 'max-num-seqs'), url!).toBe(max_num_seqs);
  });

  test('refuses a key that is none, and a port that is open to the network', () => {
    const { services } = file('compose');
    expect(() => Compose.parse({ services: { headgate: { ...services['headgate'], restrat: 'always' } } })).toThrow('restrat');
    expect(() => Compose.parse({ services: { headgate: { ports: ['8080:8080'] } } })).toThrow('opens a port');
  });
});

describe('the images', () => {
  test.each(['gateway', 'all-in-one'])(
    '%s: runs as nobody in particular, from a program that is packed, with settings that load',
    (stage) => {
      const lines = stageOf(DOCKERFILE, stage);
      expect(lines.findLast((line) => line.startsWith('USER '))).toBe('USER 65532:65532');
      expect(listOf(lines, 'ENTRYPOINT').at(-1)).toBe('/opt/headgate/dist/scripts/headgate.js');
      const start = (JSON.parse(readFileSync(join(DEPLOY, '../package.json'), 'utf8')) as { scripts: { start: string } }).scripts.start;
      for (const flag of listOf(lines, 'ENTRYPOINT').filter((word) => word.startsWith('--') && word !== '--'))
        expect(start).toContain(flag);
      const env = { ...environmentOfImage(DOCKERFILE, stage), HEADGATE_AUTH__ALLOW_ANONYMOUS: 'true' };
      const { settings, problems } = startedWith(listOf(lines, 'CMD'), env, null);
      expect(problems).toEqual([]);
      expect(lines.find((line) => line.startsWith('EXPOSE'))).toBe(`EXPOSE ${settings!.server.port} ${settings!.server.probe_port}`);
      expect(lines.find((line) => line.startsWith('HEALTHCHECK'))).toContain(`http://127.0.0.1:${settings!.server.probe_port}/livez`);
    },
  );

  test('are made of images that are pinned', () => {
    for (const [, image] of DOCKERFILE.matchAll(/^ARG \w+_IMAGE=(\S+)$/gm)) expect(image).toMatch(/:v?\d+\.\d+\.\d+(-slim)?$/);
    for (const [, image] of DOCKERFILE.matchAll(/^FROM (?:--\S+ )?(\S+)/gm)) expect(image).toMatch(/^\$\{\w+_IMAGE\}$/);
  });
});

test.skipIf(!has('caddy', 'version'))('caddy finds nothing wrong with the Caddyfile', () => {
  const args = ['validate', '--adapter', 'caddyfile', '--config', join(DEPLOY, 'caddy/Caddyfile')];
  const { status, stderr } = spawnSync('caddy', args, { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
});

test.skipIf(!has('nginx', '-v'))("nginx finds nothing wrong with the fleet's settings", () => {
  const folder = scratchFolder();
  for (const name of ['fleet.conf', 'headgate-proxy.conf']) writeFileSync(join(folder, name), text(`nginx/${name}`));
  writeFileSync(join(folder, 'nginx.conf'), `pid ${folder}/pid; error_log stderr; events {} http { include fleet.conf; }`);
  const { status, stderr } = spawnSync('nginx', ['-t', '-p', folder, '-c', join(folder, 'nginx.conf')], { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
});
