import { installedVersion, type VllmEnvironment } from '../../../scripts/vllm/environment.ts';
import { plannedLines } from './planned-lines.ts';
import { openParser, type VllmParser } from './vllm-parser.ts';

const SHOWN = 5;

/** Holds every command line that can be planned against vLLM's own parser. @returns how many it refuses */
export async function checkFlags(environment: VllmEnvironment, say: (line: string) => void): Promise<number> {
  const version = installedVersion(environment) ?? 'unknown';
  const began = performance.now();
  let opened: VllmParser;
  try {
    opened = await openParser(environment);
  } catch (error) {
    say(`vLLM ${version} in ${environment.folder} cannot be imported: ${String(error)}`);
    say('0 passed, 1 failed');
    return 1;
  }
  using parser = opened;
  // With the flags that the supervisor has asked for, and as it plans where it could not ask.
  const lines = [...plannedLines(version, parser.flags), ...plannedLines(version, null)];
  const distinct = [...new Map(lines.map((line) => [line.args.join('\0'), line])).values()];
  const problems = await parser.problems(distinct.map(({ args }) => args));
  const refused = distinct.flatMap(({ args, from }, at) => (problems[at] == null ? [] : [{ args, from, problem: problems[at] }]));
  for (const [problem, group] of Map.groupBy(refused, (one) => one.problem)) {
    say(`${String(group.length).padStart(5)}  ${problem}`);
    for (const { from, args } of group.slice(0, SHOWN)) say(`       ${from}: ${args.join(' ')}`);
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  say(
    `vLLM ${version} takes ${distinct.length - refused.length} of ${distinct.length} command lines (${parser.flags.size} flags, ${seconds} s)`,
  );
  say(`${distinct.length - refused.length} passed, ${refused.length} failed`);
  return refused.length;
}
