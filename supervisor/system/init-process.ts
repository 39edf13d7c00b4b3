import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/**
 * That nobody takes leave of processes which have lost their parent, as an engine does whose API server is killed: Node waits for its own
 * children only, so where it is process 1 (of a container) each of the others stays in the table of processes for good. null where process
 * 1 is no Node. `commandLine`: of process 1, as /proc has it.
 */
export function unreaped(commandLine: string | null = commandLineOf1()): string | null {
  const program = basename(commandLine?.split('\0', 1)[0] ?? '');
  if (!/^(?:node|nodejs|npm(?: .*)?)$/.test(program)) return null;
  return 'Process 1 of this container is Node, which does not reap what an engine leaves behind: run the container with an init (docker run --init, init: true in Compose, or tini as its entry point).';
}

function commandLineOf1(): string | null {
  try {
    return readFileSync('/proc/1/cmdline', 'utf8');
  } catch {
    return null;
  }
}
