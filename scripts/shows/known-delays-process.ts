import { KnownDelays } from '../load/stub/known-delays.ts';

// A process of its own, so that neither it nor who measures it has the other's turns of the event loop in its times.
// Arguments: seed, median wait for a first token and time a token in milliseconds, deviation of the wait's logarithm.
const [seed = 1, ttftMs = 200, tokenMs = 20, sigma = 0.4] = process.argv.slice(2).map(Number);
const stub = new KnownDelays({ ttftMs, tokenMs, sigma, seed });
process.send!(await stub.listen());
process.on('message', () => {
  process.send!(stub.told());
  stub.forget();
});
process.on('disconnect', () => process.exit());
