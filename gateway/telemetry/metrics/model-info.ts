import type { SupervisorSnapshot } from '../../link/snapshot.ts';
import type { WorkerView } from '../../core/worker.ts';

/** "12b", "1.5b", "8x7b" in a model's name: the only place where its size is written. */
const SIZE = /(?:^|[-_/ ])((?:\d+x)?\d+(?:\.\d+)?[bm])(?:$|[-_. ])/i;

/**
 * The labels of `model_info` for each model of a worker, in the table's order. What the engine was not told, and what is not known
 * of a worker that someone else runs, is ''.
 */
export function modelInfoOf(view: WorkerView, snapshot: SupervisorSnapshot | null): string[][] {
  const launched = view.args.length > 0;
  const own = (snapshot?.gpus ?? []).filter(({ uuid }) => view.gpus?.includes(uuid) ?? true);
  const gpus = [...new Set(own.map((gpu) => gpu.name))].join(',');
  return view.models.map((model) => [
    model.id,
    sizeOf(model.id) ?? sizeOf(model.root ?? '') ?? '',
    flag(view.args, '--dtype') ?? '',
    flag(view.args, '--quantization', '-q') ?? '',
    launched ? gpus : '',
    flag(view.args, '--tensor-parallel-size', '-tp') ?? (launched ? '1' : ''),
    flag(view.args, '--pipeline-parallel-size', '-pp') ?? (launched ? '1' : ''),
    view.profile ?? '',
    launched ? (snapshot?.tuning ?? '') : '',
  ]);
}

function sizeOf(name: string): string | undefined {
  return SIZE.exec(name)?.[1]?.toLowerCase();
}

/** The value of a command-line flag written `--name value` or `--name=value`. */
function flag(args: readonly string[], ...names: string[]): string | undefined {
  for (const [index, arg] of args.entries()) {
    for (const name of names) {
      if (arg === name) return args[index + 1];
      if (arg.startsWith(`${name}=`)) return arg.slice(name.length + 1);
    }
  }
  return undefined;
}
