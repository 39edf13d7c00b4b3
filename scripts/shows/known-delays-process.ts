import { KnownDelays } from '../load/stub/known-delays.ts';

// A process of its own, so that neither it nor who measures it has the other's turns of the event loop in its times.
const stub = new KnownDelays({ ttftMs: 200, tokenMs: 20, sigma: 0.4, seed: Number(process.argv[2] ?? 1) });
process.send!(await stub.listen());
process.on('message', () => process.send!(stub.told()));
process.on('disconnect', () => process.exit());
