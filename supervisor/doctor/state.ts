import { resolve } from 'node:path';
import { controlPath } from '../../gateway/link/control-path.ts';
import { type Settings, supervisorIsOn } from '../../gateway/config/schema/settings.ts';
import { askState, isAnswered } from '../../gateway/link/ask-state.ts';
import { headgateAt } from '../../gateway/link/headgate-at.ts';
import { readWhereabouts, type Whereabouts } from '../../gateway/link/whereabouts.ts';
import type { StateFinding } from './report.ts';
import { instancePrefix } from '../system/instance-id.ts';
import { isFree } from '../system/ports.ts';
import { find } from '../system/processes.ts';
import { unreaped } from '../system/init-process.ts';
import { obstacleToWriting, openToOthers } from '../system/state-folder.ts';

interface StateExamination {
  readonly finding: StateFinding;
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** Looks at the folder, the ports and what an earlier run may have left. Changes nothing. */
export async function examineState(settings: Settings, cwd: string): Promise<StateExamination> {
  const { supervisor, server } = settings;
  const directory = resolve(cwd, supervisor.state_dir);
  const control = controlPath(settings, cwd);
  const isRunning = await isAnswered(control);
  const isOn = supervisorIsOn(settings);
  const problems: string[] = isRunning ? await troubles(control) : [];
  const warnings: string[] = [openToOthers(directory), unreaped()].filter((warning) => warning !== null);

  const obstacle = obstacleToWriting(directory);
  if (obstacle !== null) problems.push(`The folder of supervisor.state_dir cannot be used: ${obstacle}.`);

  const taken: number[] = [];
  let free = 0;
  const [from, to] = supervisor.port_range;
  // Ports of engines are nobody's business where none is started.
  const needed = isOn || settings.workers.length === 0 ? supervisor.replicas : 0;
  for (let port = Math.min(from, to); port <= Math.max(from, to) && free < needed; port += 1) {
    if (await isFree('127.0.0.1', port)) free += 1;
    else taken.push(port);
  }
  if (free < needed && !isRunning) problems.push(`supervisor.port_range ${from}-${to} has ${free} free ports and ${needed} are needed.`);
  if (server.port !== 0 && !isRunning && !(await isFree(server.host, server.port))) {
    const own = await gatewayHere(directory, server.port);
    if (own === null) problems.push(`Port ${server.port} of server.port is taken: end what listens there, or set another.`);
    else warnings.push(`The gateway of this folder runs (process ${own.pid}, ${own.url})${isOn ? '; it has no supervisor' : ''}.`);
  }

  const prefix = instancePrefix(directory);
  const leftovers = isRunning ? [] : find({ group: null, isMarked: (id) => id.startsWith(prefix) }).map(({ pid }) => pid);
  if (leftovers.length > 0)
    warnings.push(`Processes ${leftovers.join(', ')} are left from an earlier run: the next start takes them over or ends them.`);
  const finding = {
    directory,
    control,
    supervisor_running: isRunning,
    port_range: supervisor.port_range,
    ports_taken: taken,
    leftovers,
  };
  return { finding, problems, warnings };
}

/** The gateway of this folder that listens on a port: it waits for the supervisor that is to be started, and is not in its way. */
async function gatewayHere(stateDir: string, port: number): Promise<Whereabouts | null> {
  const record = readWhereabouts(stateDir).find(({ url }) => Number(new URL(url).port) === port);
  if (!record || (await headgateAt(new URL(record.url).hostname, port)) === null) return null;
  return record;
}

/** What the supervisor that runs here cannot help. */
async function troubles(control: string): Promise<string[]> {
  const state = await askState(control);
  if (!state) return [`A supervisor listens here (${control}) and does not answer: it hangs, or is stopped.`];
  return state.workers.flatMap(({ id, state: life, lastFailure }) =>
    life === 'failed' && lastFailure ? [`${id} was given up: ${lastFailure.message} ${lastFailure.advice}`] : [],
  );
}
