import { setTimeout as delay } from 'node:timers/promises';
import type { VllmEnvironment } from '../../scripts/vllm/environment.ts';
import { ask } from './ask.ts';
import type { Case } from './case.ts';
import { againstRecorded, compareCase, type Found } from './compare.ts';
import { metricsOutline } from './metrics-outline.ts';
import { reasonOf } from './meant.ts';
import { isOpen, readOpen } from './open.ts';
import { readRecorded, type Recorded } from './recorded.ts';
import type { Scene } from './scene.ts';
import { type Server, startGateway, startSimulation, startVllm } from './server.ts';
import type { View } from './view.ts';

export interface SceneRun {
  readonly found: readonly Found[];
  /** What the real engine answered. */
  readonly recorded: Recorded;
  readonly asked: number;
  /** Of the real engine's page of metrics, after all that was asked; empty where none was. */
  readonly outline: readonly string[];
  /** In words: how long the start took, and the memory. */
  readonly notes: readonly string[];
}

/** Tries of a case that differs and should not: what differs once in a while says nothing about either engine. */
const TRIES = 6;
/** So that a moment in which the machine stood still has gone by. */
const BETWEEN_TRIES_MS = 200;

/** Asks the real engine, the simulation, and the gateway in front of both. `port`: of a real engine that runs already. */
export async function runScene(scene: Scene, cases: readonly Case[], engine: VllmEnvironment | { port: number }): Promise<SceneRun> {
  await using servers = new AsyncDisposableStack();
  const real: Server | null = 'port' in engine ? null : servers.use(await startVllm(engine, scene));
  const vllm = real?.port ?? (engine as { port: number }).port;
  const simulation = servers.use(await startSimulation(scene)).port;
  const vllmGateway = servers.use(await startGateway(vllm, scene)).port;
  const simulationGateway = servers.use(await startGateway(simulation, scene)).port;
  const ports = { vllm, simulation, vllmGateway, simulationGateway };
  const open = readOpen(scene.name);
  const isNews = (one: Found): boolean => reasonOf(one) === null && !isOpen(open, one);
  const found: Found[] = [];
  const recorded: Record<string, View> = {};
  for (const request of cases) {
    let compared = await compareCase(request, ports);
    for (let tries = 1; tries < TRIES && compared.found.some(isNews); tries++) {
      await delay(BETWEEN_TRIES_MS);
      const again = await compareCase(request, ports);
      if (again.found.length < compared.found.length) compared = again;
    }
    found.push(...compared.found);
    if (compared.view !== null) recorded[request.name] = compared.view;
  }
  const notes =
    real === null ? [] : [`engine ready after ${(real.readyAfterMs / 1000).toFixed(0)} s, ${real.memoryMib()} MiB of memory at the end`];
  const page = await ask(vllm, { name: 'metrics', path: '/metrics' });
  const outline = 'nothing' in page ? [] : metricsOutline(page.body);
  return { found, recorded, asked: cases.length, notes, outline };
}

/** Asks the simulation alone, and holds it against what was recorded of the real one. No Python is needed. */
export async function runRecorded(scene: Scene, cases: readonly Case[], version: string): Promise<SceneRun | null> {
  const recorded = readRecorded(version, scene.name);
  if (recorded === null) return null;
  await using simulation = await startSimulation(scene);
  const found = await foundAgainst(recorded, cases, simulation.port);
  return { found, recorded, asked: cases.length, notes: [], outline: [] };
}

/** In what a simulation on `port` differs from what was recorded. */
export async function foundAgainst(recorded: Recorded, cases: readonly Case[], port: number): Promise<Found[]> {
  const found: Found[] = [];
  for (const request of cases) {
    const expected = recorded[request.name];
    if (expected !== undefined) found.push(...againstRecorded(request, expected, await ask(port, request)));
  }
  return found;
}
