import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { SceneName } from './case.ts';
import type { View } from './view.ts';

/** What a real vLLM answered to a scene's cases, by their names, as far as it does not differ from run to run. */
export type Recorded = Readonly<Record<string, View>>;

const FOLDER = new URL('recorded/', import.meta.url);

/** null: nobody has recorded this scene of this version. */
export function readRecorded(version: string, scene: SceneName): Recorded | null {
  const file = fileOf(version, scene);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Recorded) : null;
}

/** One line a case, so that a new recording shows as a difference of those that changed. */
export function writeRecorded(version: string, scene: SceneName, recorded: Recorded): void {
  const lines = Object.entries(recorded).map(([name, view]) => `${JSON.stringify(name)}: ${JSON.stringify(view)}`);
  mkdirSync(new URL(`${version}/`, FOLDER), { recursive: true });
  writeFileSync(fileOf(version, scene), `{\n${lines.join(',\n')}\n}\n`);
}

/** The outline of the page of metrics, one line a family or series; null: nobody has recorded it. */
export function readOutline(version: string): string[] | null {
  const file = new URL(`${version}/metrics.txt`, FOLDER);
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : null;
}

export function writeOutline(version: string, outline: readonly string[]): void {
  writeFileSync(new URL(`${version}/metrics.txt`, FOLDER), `${outline.join('\n')}\n`);
}

function fileOf(version: string, scene: SceneName): URL {
  return new URL(`${version}/${scene}.json`, FOLDER);
}
