import { showChance, showNothing, showPlanted } from './shows/abtest-finds.ts';
import { say, Scene } from './shows/scene.ts';

// `npm run show:abtest [runs]`: what `headgate abtest` finds where something is, and what it calls different where nothing is.
const [runs = 20] = process.argv.slice(2).map(Number);
const TESTS = 2_000;
const MODEL = 'mistral-7b-instruct';

const isSeldom = showChance(TESTS);
using scene = await Scene.open(
  { models: [{ id: MODEL }] },
  { SIM_GPU: 'rtx-4080', SIM_SPEED: process.env['SIM_SPEED'] ?? '0.2', SIM_START_MS: '100' },
);
scene.start('serve', '--engine', 'sim');
await scene.ready();
say('A window of 200 ms against none, on the simulated engine with calls in bursts:');
const isFound = await showPlanted(scene);
say(`No window against no window, ${runs} times:`);
const isQuiet = await showNothing(scene, runs);
const all = isSeldom && isFound && isQuiet;
say(all ? 'It finds what is there, and nothing where nothing is.' : 'It does not do what it says.');
process.exitCode = all ? 0 : 1;
