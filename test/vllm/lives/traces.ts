import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mappedSegments } from '../../../supervisor/system/shared-memory.ts';
import { namesIn } from './house.ts';

/** What engines may leave behind: shared memory, sockets and folders for temporary files, by their paths. */
export type Traces = ReadonlySet<string>;

/** Names that Python, PyTorch, ZeroMQ and vLLM make up. */
const SHARED_MEMORY = /^(?:psm_|sem\.mp-|torch_)/;
const TEMPORARY = /^(?:[0-9a-f]{8}-[0-9a-f]{4}-|vllm_dist_|tmp\w{8}$|pymp-|torchelastic_)/;

export function tracesNow(folder: string): Traces {
  const shared = namesIn('/dev/shm').filter((name) => SHARED_MEMORY.test(name));
  const temporary = [...new Set([tmpdir(), '/tmp'])].flatMap((at) =>
    namesIn(at)
      .filter((name) => TEMPORARY.test(name))
      .map((name) => join(at, name)),
  );
  const own = namesIn(join(folder, '.headgate/tmp')).map((name) => join(folder, '.headgate/tmp', name));
  return new Set([...shared.map((name) => `/dev/shm/${name}`), ...temporary, ...own]);
}

/** What somebody who is alive has mapped is no trace of the dead: other engines may run on this machine. */
export function newTraces(before: Traces, now: Traces): string[] {
  const pids = namesIn('/proc').filter((name) => /^\d+$/.test(name));
  const used = mappedSegments(pids.map(Number));
  return [...now].filter((path) => !before.has(path) && !used.has(path.slice('/dev/shm/'.length)));
}
