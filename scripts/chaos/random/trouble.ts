import { setTimeout as delay } from 'node:timers/promises';
import type { Stage } from '../rows/stage.ts';
import type { Trouble } from './schedule.ts';

/** Makes the trouble. @returns what ends it, and no other */
export async function begin(trouble: Trouble, stage: Stage): Promise<() => unknown> {
  const { workers, line, traffic, odd, gateway, chance } = stage;
  switch (trouble.kind) {
    case 'way':
      return workers[trouble.worker]!.behave(trouble.way, { share: trouble.share });
    case 'line':
      return line.fail(trouble.fault, trouble.lateMs);
    case 'down': {
      const worker = workers[trouble.worker]!;
      if (!worker.isListening) return () => undefined;
      await worker.die();
      stage.struck++;
      return () => worker.revive();
    }
    case 'figures':
      workers[trouble.worker]!.figures = trouble.figures;
      return () => {
        const worker = workers[trouble.worker]!;
        // Others may have begun meanwhile.
        if (worker.figures === trouble.figures) worker.figures = 'sound';
      };
    case 'leave':
      traffic.send(trouble.calls, (asked) => ({ ...asked, leaveMs: chance() * trouble.withinMs }));
      stage.struck += trouble.calls;
      return () => undefined;
    case 'burst':
      traffic.send(trouble.calls);
      stage.struck += trouble.calls;
      return () => undefined;
    case 'idle':
      return await odd.idle(gateway.port, trouble.clients);
    case 'reload': {
      const over = { batch_window: { window_ms: trouble.windowMs }, admission: { ...ADMISSION, max_queue: trouble.maxQueue } };
      if ((await stage.reload(stage.settings(over))) !== 0) stage.struck++;
      return () => stage.reload(stage.settings());
    }
    case 'bad-reload':
      if ((await stage.reload('server: [')) !== 0) stage.struck++;
      return () => stage.gateway.configure(stage.settings());
    case 'freeze':
      gateway.signal('SIGSTOP');
      stage.struck++;
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
