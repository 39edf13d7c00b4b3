import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { namesIn } from './house.ts';

/** What engines may leave behind: shared memory, sockets and folders for temporary files, by their paths. */
export type Traces = ReadonlySet<string>;

/** Names that Python, PyTorch, ZeroMQ and vLLM make up. */
const SHARED_MEMORY = /^(?:psm_|sem\.mp-|torch_)/;
const TEMPORARY = /^(?:[0-9a-f]{8}-[0-9a-f]{4}-|vllm_dist_|vllm-|tmp\w{8}$|pymp-|torchelastic_)/;

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

export function newTraces(before: Traces, now: Traces): string[] {
  return [...now].filter((path) => !before.has(path));
}
