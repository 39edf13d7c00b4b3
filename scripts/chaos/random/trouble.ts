import { setTimeout as delay } from 'node:timers/promises';
import type { Stage } from '../rows/stage.ts';
import type { Trouble } from './schedule.ts';

/** Makes the trouble. @returns what ends it */
export async function begin(trouble: Trouble, stage: Stage): Promise<() => unknown> {
  const { workers, line, traffic, odd, gateway, chance } = stage;
  switch (trouble.kind) {
    case 'way':
      workers[trouble.worker]!.behave(trouble.way, { share: trouble.share });
      return () => workers[trouble.worker]!.heal();
    case 'line':
      line.fail(trouble.fault, trouble.lateMs);
      return () => line.heal();
    case 'down': {
      const worker = workers[trouble.worker]!;
      if (!worker.isListening) return () => undefined;
      await worker.die();
      return () => worker.revive();
    }
    case 'figures':
      workers[trouble.worker]!.figures = trouble.figures;
      return () => (workers[trouble.worker]!.figures = 'sound');
    case 'leave':
      traffic.send(trouble.calls, (asked) => ({ ...asked, leaveMs: chance() * trouble.withinMs }));
      return () => undefined;
    case 'burst':
      traffic.send(trouble.calls);
      return () => undefined;
    case 'idle':
      void odd.idle(gateway.port, trouble.clients);
      return () => odd.end();
    case 'reload': {
      const over = { batch_window: { window_ms: trouble.windowMs }, admission: { ...ADMISSION, max_queue: trouble.maxQueue } };
      await stage.reload(stage.settings(over));
      return () => stage.reload(stage.settings());
    }
    case 'bad-reload':
      await stage.reload('server: [');
      return () => stage.gateway.configure(stage.settings());
    case 'freeze':
      gateway.signal('SIGSTOP');
      await delay(80);
      gateway.signal('SIGCONT');
      return () => undefined;
  }
}

const ADMISSION = { queue_timeout_ms: 600 };

/** Settings of a gateway that gives up soon, so that thousands of schedules take minutes. */
export const HASTY_SETTINGS = {
  admission: { ...ADMISSION, max_queue: 60 },
  timeouts: {
    ...{ connect_ms: 250, first_token_ms: 250, idle_ms: 250, stream_total_ms: 1_200 },
    ...{ request_total_ms: 700, stream_max_ms: 1_500, request_max_ms: 1_000 },
  },
  circuit_breaker: { failures: 4, open_ms: 60, success_to_close: 1 },
  pressure: { scrape_interval_ms: 50 },
  stream: { keep_alive_ms: 50 },
};

/** The longest that a call may take by them, and what a busy machine may add. */
export const HASTY_LIMIT_MS = 600 + 1_500 + 6_000;
