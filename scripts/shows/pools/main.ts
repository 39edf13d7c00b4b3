import { freePort, kill, Scene, say, until } from '../scene.ts';
import { callAll, type Tally, tallyText } from './clients.ts';

// `npm run show:pools [seconds]`: two engines of different sizes behind one name, and a third that answers when they are full or gone.
const seconds = Number(process.argv[2] ?? 15);
const ENGINES = [
  { model: 'qwen-a', places: 4 },
  { model: 'qwen-b', places: 12 },
  { model: 'small', places: 32 },
];
const [POOL, FALLBACK] = [ENGINES.slice(0, 2), ENGINES[2]!.model];
const PLACES = POOL.reduce((sum, { places }) => sum + places, 0);
/** By so much a share of answers may be off that of places: an engine with fewer calls at once has each done sooner. */
const SLACK = 0.15;
const START_MS = 60_000;

using scene = await Scene.open({}, {});
const first = await freePort(ENGINES.length);
const urlOf = (at: number): string => `http://127.0.0.1:${first + at}`;
const startEngine = ({ model, places }: (typeof ENGINES)[number], at: number) =>
  scene.startWith(
    { SIM_GPU: 'rtx-4080', SIM_START_MS: '0', SIM_SPEED: '1', SIM_SEED: String(at + 1) },
    ...['sim', 'serve', 'org/any', '--served-model-name', model, '--port', String(first + at), '--max-num-seqs', String(places)],
  );
const engines = ENGINES.map(startEngine);
scene.set({
  workers: ENGINES.map(({ model, places }, at) => ({ url: urlOf(at), models: [model], max_num_seqs: places })),
  models: [{ id: 'chat', pool: POOL.map(({ model }) => model), fallback: [FALLBACK] }],
  admission: { headroom: 0, max_queue: 4 },
  load_balancer: { slow_start_ms: 0 },
});
scene.start('gateway');
await scene.ready();
await until(() => readyAre(ENGINES.length), 'all engines are ready', START_MS);

const isSound: boolean[] = [];
async function stage(name: string, callers: number, holds: (tally: Tally) => boolean): Promise<void> {
  const tally = await callAll(scene.url, 'chat', callers, seconds);
  isSound.push(holds(tally));
  say(`${name}, ${callers} callers: ${tallyText(tally)}`);
}

const shareOf = ({ byModel }: Tally, model: string): number =>
  (byModel.get(model) ?? 0) /
  Math.max(
    1,
    [...byModel.values()].reduce((sum, count) => sum + count, 0),
  );
const isOwn = (tally: Tally): boolean => tally.lost.size === 0 && tally.fellBack === 0;

await stage(`A pool of ${POOL.map(({ model, places }) => `${model} (${places} places)`).join(' and ')}`, PLACES, (tally) => {
  const meant = POOL[0]!.places / PLACES;
  return isOwn(tally) && Math.abs(shareOf(tally, POOL[0]!.model) - meant) <= SLACK;
});
await stage('More than its places and its queue take', PLACES * 2, (tally) => tally.lost.size === 0 && tally.fellBack > 0);
for (const { pid } of engines.slice(0, 2)) kill(pid!);
await until(() => readyAre(1), 'both are seen to be gone', START_MS);
await stage('Both its engines killed', PLACES, (tally) => tally.lost.size === 0 && shareOf(tally, FALLBACK) === 1);
POOL.forEach(startEngine);
await until(() => readyAre(ENGINES.length), 'both are back', START_MS);
await stage('Both back', PLACES, isOwn);

const isShown = isSound.every(Boolean);
say(
  isShown
    ? 'Calls went where there were places, to the fallback when there were none, and back; and no call was lost.'
    : 'That is not as it should be.',
);
process.exitCode = isShown ? 0 : 1;

async function readyAre(count: number): Promise<boolean> {
  const { workers } = (await (await scene.admin('/admin/status'))!.json()) as { workers: { state: string }[] };
  return workers.filter(({ state }) => state === 'ready').length === count;
}
