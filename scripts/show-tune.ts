import { showTune } from './shows/tune.ts';

// `npm run show:tune [card …]`: `headgate tune --quick` on simulated cards: an OOM, what it rules out, kill -9 and on, a tuning that serves;
// and halving beside every point of the grid.
const cards = process.argv.slice(2);
process.exitCode = (await showTune(cards.length === 0 ? ['t4', 'rtx-4080'] : cards)) ? 0 : 1;
