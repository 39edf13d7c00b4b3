import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Rooms of files that wait for processes or try many histories. What takes long and begins last is waited for alone. */
const LONG = ['/test/process/', '/test/law/', '/test/flow/'];

/** Vitest's own order, which knows how long each file took the last time; but where nothing is known yet, it knows only their sizes. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rank(a) - rank(b));
  }
}

function rank({ moduleId }: TestSpecification): number {
  const at = LONG.findIndex((room) => moduleId.includes(room));
  return at === -1 ? LONG.length : at;
}
