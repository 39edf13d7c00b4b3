import { Redis } from 'iovalkey';
import { systemClock } from '../../../gateway/core/clock.ts';
import { systemRandom } from '../../../gateway/core/random.ts';
import { type Hold, type Limited, Limiter, type Taking } from '../../../gateway/policies/limits/limiter.ts';
import { limitScript } from '../../../gateway/state/limit-script.ts';
import { SharedLimiter } from '../../../gateway/state/shared-limiter.ts';
import { StoreLink } from '../../../gateway/state/store-link.ts';
import { connectToValkey } from '../../../gateway/state/valkey-connection.ts';
import { RecordedEvents } from '../../support/recorded-events.ts';
import { NO_REDIS_SERVER, type RedisServer, startRedisServer } from '../../support/redis-server.ts';

/** Limits as one or several gateways keep them, at times that a test names: milliseconds from 0 on. */
export interface Gateways {
  /** At one of them. */
  take(gateway: number, limited: Limited, tokens: number, at: number): Promise<Taking>;
  /** Several calls of one turn of the event loop. */
  takeAll(gateway: number, limited: Limited, tokens: readonly number[], at: number): Promise<readonly Taking[]>;
  /** A call that it let in has ended, and everybody knows. */
  settle(gateway: number, hold: Hold, usedTokens: number, at: number): Promise<void>;
}

export interface Driver extends AsyncDisposable {
  /** As if nothing had ever been counted. */
  fresh(): Promise<Gateways>;
}

interface DriverKind {
  readonly name: string;
  readonly missing: string | null;
  /** How many gateways one set of limits holds for. */
  readonly gateways: number;
  readonly runs: number;
  open(): Promise<Driver>;
}

export const DRIVERS: readonly DriverKind[] = [
  { name: 'in memory', missing: null, gateways: 1, runs: 200, open: () => Promise.resolve(memory()) },
  { name: 'in a server', missing: NO_REDIS_SERVER, gateways: 2, runs: 15, open: openServer },
];

function memory(): Driver {
  return {
    fresh() {
      const limiter = new Limiter();
      return Promise.resolve({
        take: (_, limited, tokens, at) => Promise.resolve(limiter.take(limited, tokens, at)),
        takeAll: (_, limited, tokens, at) => Promise.resolve(tokens.map((each) => limiter.take(limited, each, at))),
        settle: (_, hold, usedTokens, at) => Promise.resolve(hold.settle(usedTokens, at)),
      });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Where the test's own clock stands, in the server. */
const TEST_TIME = "{ redis.call('GET', 'seconds'), redis.call('GET', 'microseconds') }";
const HEARTBEAT_MS = 5_000;
const EPOCH_S = 1_800_000_000;

async function openServer(): Promise<Driver> {
  const server: RedisServer = await startRedisServer();
  const client = new Redis(server.url);
  const script = limitScript(TEST_TIME);
  const links: StoreLink[] = [];
  const openLink = async (): Promise<StoreLink> => {
    const link = new StoreLink({
      ...{ clock: systemClock, random: systemRandom, events: new RecordedEvents(), url: server.url, connect: connectToValkey },
      // A busy machine is no slow store.
      timeoutMs: () => 10_000,
      scripts: [script],
      announce: () => Promise.resolve(2),
    });
    await link.open();
    links.push(link);
    return link;
  };
  const both = [await openLink(), await openLink()];
  return {
    async fresh() {
      await client.flushall();
      let now = 0;
      const clock = { ...systemClock, now: () => now, after: () => ({ cancel() {} }) };
      const limiters = both.map(
        (link, index) =>
          new SharedLimiter({
            ...{ clock, link, script, prefix: 'test:', id: `g${index}`, local: new Limiter() },
            whenUnavailable: () => 'deny',
            onMissed: () => {
              throw new Error('the server did not answer');
            },
          }),
      );
      const moveTo = async (at: number): Promise<void> => {
        // Hearts beat, but not in a clock that goes back.
        for (let beat = now + HEARTBEAT_MS; beat < at; beat += HEARTBEAT_MS) {
          await setTime(beat);
          for (const limiter of limiters) await limiter.renew();
        }
        await setTime(at);
      };
      const setTime = async (at: number): Promise<void> => {
        now = at;
        await client.mset('seconds', EPOCH_S + Math.floor(at / 1_000), 'microseconds', Math.round((at % 1_000) * 1_000));
      };
      return {
        async take(gateway, limited, tokens, at) {
          await moveTo(at);
          return limiters[gateway]!.take(limited, tokens, at);
        },
        async takeAll(gateway, limited, tokens, at) {
          await moveTo(at);
          return Promise.all(tokens.map((each) => Promise.resolve(limiters[gateway]!.take(limited, each, at))));
        },
        async settle(gateway, hold, usedTokens, at) {
          await moveTo(at);
          hold.settle(usedTokens, at);
          await limiters[gateway]!.tell();
        },
      };
    },
    async [Symbol.asyncDispose]() {
      for (const link of links) link.close();
      client.disconnect();
      await server[Symbol.asyncDispose]();
    },
  };
}
