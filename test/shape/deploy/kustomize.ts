import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';

/** An object of Kubernetes, as its file says it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; namespace?: string; readonly labels?: Record<string, string> };
  // What it holds depends on its kind; typed.ts holds it against Kubernetes' own types.
  spec: any;
  readonly data?: Record<string, string>;
  readonly subjects?: { kind: string; name: string; namespace?: string }[];
}

/** What our kustomizations use; whatever else they held would be left out here, and is refused. */
const Kustomization = z.strictObject({
  apiVersion: z.enum(['kustomize.config.k8s.io/v1beta1', 'kustomize.config.k8s.io/v1alpha1']),
  kind: z.enum(['Kustomization', 'Component']),
  namespace: z.string().optional(),
  resources: z.array(z.string()).default([]),
  components: z.array(z.string()).default([]),
  configMapGenerator: z
    .array(z.strictObject({ name: z.string(), behavior: z.literal('replace').optional(), files: z.array(z.string()) }))
    .default([]),
  patches: z.array(z.strictObject({ target: z.strictObject({ kind: z.string(), name: z.string() }), patch: z.string() })).default([]),
});

const Operations = z.array(
  z.strictObject({ op: z.enum(['add', 'replace', 'test']), path: z.string().startsWith('/'), value: z.unknown() }),
);

/** Every document of a file of YAML. @throws on a mistake in it, a key that stands twice among them */
export function documents(file: string): unknown[] {
  return parseAllDocuments(readFileSync(file, 'utf8')).map((document) => {
    if ('errors' in document && document.errors.length > 0) throw new Error(`${file}: ${document.errors[0]!.message}`);
    return document.toJS() as unknown;
  });
}

/** What `kubectl kustomize FOLDER` prints, but for the hash behind the names of ConfigMaps. @throws on what it does not know */
export function render(folder: string, under: readonly Manifest[] = []): Manifest[] {
  const own = Kustomization.parse(parse(readFileSync(join(folder, 'kustomization.yaml'), 'utf8')));
  const resources = own.resources.flatMap((path) => {
    const whole = join(folder, path);
    return path.endsWith('.yaml') ? (documents(whole) as Manifest[]) : render(whole);
  });
  // A component changes what it is laid over.
  const manifests = own.components.reduce<Manifest[]>((all, path) => render(join(folder, path), all), [...under, ...resources]);
  for (const { name, behavior, files } of own.configMapGenerator) {
    const data = Object.fromEntries(files.map((file) => [basename(file), readFileSync(join(folder, file), 'utf8')]));
    const before = manifests.findIndex(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === name);
    if (before >= 0 !== (behavior === 'replace')) throw new Error(`${folder}: ${name} is there already, or there is nothing to replace`);
    if (before >= 0) manifests.splice(before, 1);
    manifests.push({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data } as unknown as Manifest);
  }
  for (const { target, patch } of own.patches) {
    const meant = manifests.filter(({ kind, metadata }) => kind === target.kind && metadata.name === target.name);
    if (meant.length !== 1) throw new Error(`${folder}: a patch is for ${target.kind}/${target.name}, of which there are ${meant.length}`);
    for (const operation of Operations.parse(parse(patch))) change(meant[0]!, operation);
  }
  const { namespace } = own;
  if (namespace === undefined) return manifests;
  for (const { metadata } of manifests) metadata.namespace = namespace;
  // Whoever is bound to a role is meant where he is.
  const accounts = manifests.filter(({ kind }) => kind === 'ServiceAccount').map(({ metadata }) => metadata.name);
  const subjects = manifests.flatMap((each) => (each as { subjects?: { name: string; namespace?: string }[] }).subjects ?? []);
  for (const subject of subjects) if (accounts.includes(subject.name)) subject.namespace = namespace;
  return manifests;
}

/** RFC 6902, of which three operations are enough. */
function change(manifest: Manifest, { op, path, value }: z.infer<typeof Operations>[number]): void {
  const steps = path
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = steps.pop()!;
  let place = manifest as unknown as Record<string, unknown>;
  for (const step of steps) {
    if (place[step] === undefined) throw new Error(`there is nothing at ${step} of ${path}`);
    place = place[step] as Record<string, unknown>;
  }
  if (op === 'replace' && place[last] === undefined) throw new Error(`there is nothing to replace at ${path}`);
  if (op === 'test') {
    if (!isDeepStrictEqual(place[last], value)) throw new Error(`at ${path} there is ${JSON.stringify(place[last])}`);
  } else if (Array.isArray(place)) place.splice(last === '-' ? place.length : Number(last), op === 'replace' ? 1 : 0, value);
  else place[last] = value;
}
