import type { ServerResponse } from 'node:http';
import { answers, type FakeVllm, type Script } from '../support/fake-vllm.ts';
import { until } from '../support/gateway.ts';

/** A worker that answers when it is told to. */
export interface Holding {
  /** Requests that wait for their answer, oldest first; those whose caller has gone are taken out. */
  readonly waiting: () => number;
  /** Waits until `count` requests wait. */
  reached(count: number): Promise<void>;
  /** Answers the oldest. */
  release(count?: number): void;
  /** Answers all that wait, and from now on at once. */
  open(): void;
}

/** Makes `worker` hold every request until it is released. */
export function hold(worker: FakeVllm, script: Script = answers.completion()): Holding {
  let held: { readonly answer: () => void; readonly response: ServerResponse }[] = [];
  worker.script = (request, response) => {
    const entry = { answer: () => script(request, response), response };
    held.push(entry);
    response.on('close', () => {
      held = held.filter((other) => other !== entry);
    });
  };
  function release(count = 1): void {
    const going = held.slice(0, count);
    held = held.slice(going.length);
    for (const { answer } of going) answer();
  }
  return {
    waiting: () => held.length,
    reached: (count) => until(() => held.length === count, `${count} request(s) held by the worker`),
    release,
    open() {
      worker.script = script;
      release(held.length);
    },
  };
}
