import { readFileSync } from 'node:fs';

// Loaded by `node --import` before a gateway: its wall clock is off by as many milliseconds as a file says, which is looked at again and
// again. The monotonic clock stays as it is, as with a clock that is set.

const FILE = process.env['CHAOS_CLOCK_FILE'];
const LOOK_MS = 25;
const Real = Date;
let offset = 0;

if (FILE !== undefined) {
  setInterval(() => {
    try {
      offset = Number(readFileSync(FILE, 'utf8')) || 0;
    } catch {
      offset = 0;
    }
  }, LOOK_MS).unref();
  globalThis.Date = new Proxy(Real, {
    construct: (target, args: [], self) => Reflect.construct(target, args.length === 0 ? [Real.now() + offset] : args, self) as object,
    get: (target, name, self) => (name === 'now' ? () => Real.now() + offset : (Reflect.get(target, name, self) as unknown)),
  });
}
