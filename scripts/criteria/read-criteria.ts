import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { PRESET_NAMES, presetCriteria, RELEASE_CRITERIA, type ReleaseCriteria, wholeCriteria } from '../../gateway/canary/criteria.ts';
import { fileLayer } from '../../gateway/config/layers/file-layer.ts';
import { nearestName } from '../../gateway/config/schema/nearest-name.ts';
import { problemText, toProblems } from '../../gateway/config/schema/problems.ts';

interface AskedCriteria {
  readonly criteria: ReleaseCriteria;
  /** Where they are from, for people. */
  readonly from: string;
}

/**
 * The criteria that a command line asks for: those of a preset, or of a file, whose keys are held against what there is.
 * @returns what is wrong, a line for each; of a file as file:line:column
 */
export function askedCriteria(preset: string | null, file: string | null, cwd: string): AskedCriteria | readonly string[] {
  if (preset !== null && file !== null) return ['--preset and --criteria are two sets of criteria; choose one'];
  if (file !== null) return criteriaOfFile(file, cwd);
  const name = PRESET_NAMES.find((known) => known === (preset ?? 'personal'));
  if (name !== undefined) return { criteria: presetCriteria(name), from: `preset ${name}` };
  const near = nearestName(preset!, PRESET_NAMES);
  return [`there is no preset ${preset}${near === null ? `; there are ${PRESET_NAMES.join(' and ')}` : `; did you mean ${near}?`}`];
}

function criteriaOfFile(file: string, cwd: string): AskedCriteria | readonly string[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(resolve(cwd, file));
  } catch (error) {
    return [`${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`];
  }
  const { tree, findings } = fileLayer(bytes, file, null, RELEASE_CRITERIA);
  if (findings.length > 0) return toProblems(findings).map(problemText);
  return { criteria: wholeCriteria(tree), from: file };
}
