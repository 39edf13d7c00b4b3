import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { until } from '../../support/gateway.ts';
import { rawJson, rawRequest } from '../../support/raw-http.ts';
import { launchSim, startSim } from '../../support/sim.ts';
import type { RunningSim } from '../../support/sim.ts';

const CHAT_PATH = '/v1/chat/completions';
const LONG_STREAM = { messages: [{ role: 'user', content: 'tell me everything' }], max_tokens: 30_000, ignore_eos: true, stream: true };
/** Slow enough that a long stream is still going when a test looks at it. */
const UNHURRIED = { SIM_SPEED: '0.2' };

/** Resolves when the sim has printed `text`. */
async function printed(sim: RunningSim, text: string): Promise<void> {
  try {
    await until(() => sim.output().includes(text), `it prints ${text}`);
  } catch (error) {
    throw new Error(`${String(error)}; what it printed last: ${sim.output().slice(-1_000)}`, { cause: error });
  }
}

/** Nobody listens on the port any more. One who came just before is reset, which is no refusal. */
async function isRefused(port: number): Promise<boolean> {
  const failure = await rawRequest({ port, path: '/health' }).then(() => null, String);
  return failure?.includes('ECONNREFUSED') ?? false;
}

/** A stream that has got at least one token, and its end. */
async function streamUnderWay(sim: RunningSim, body: object = LONG_STREAM): Promise<{ readonly ended: ReturnType<typeof rawRequest> }> {
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  const ended = rawRequest({
    port: sim.port,
    path: CHAT_PATH,
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
    onData: (received) => {
      if (received.includes('"content":" is"')) resolve();
    },
  });
  await Promise.race([begun, ended]);
  return { ended };
}

/** The id of the process that stands for the engine core, from the log. */
function enginePid(sim: RunningSim): number {
  return Number(/\(EngineCore pid=(\d+)\)/.exec(sim.output())![1]);
}

/** `PID TITLE` of each child of a process. */
function childrenOf(pid: number): string[] {
  const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  return pids.map((child) => `${child} ${readFileSync(`/proc/${child}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()}`);
}

function isAlive(pid: number): boolean {
  try {
    // A zombie is not alive.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

describe('a start', () => {
  test('prints the phases of vLLM in their order, and first of all that it is a simulation', async () => {
    await using sim = await startSim({ model: 'sim-7B', args: ['--max-model-len', '4096'] });
    const lines = [
      'SIMULATED',
      'non-default args',
      'Resolved architecture',
      'Using max model len 4096',
      'Chunked prefill is enabled with max_num_batched_tokens=2048.',
      'Initializing a V1 LLM engine',
      'attention backend out of potential backends',
      'Starting to load model',
      'Loading weights took',
      'Model loading took',
      'torch.compile took',
      'Available KV cache memory',
      'GPU KV cache size',
      'Graph capturing finished in',
      'init engine (profile, create kv cache, warmup model) took',
      'Supported tasks',
      'Starting vLLM server on http://127.0.0.1:',
    ];
    await printed(sim, lines.at(-1)!);
    const output = sim.output();
    const places = lines.map((line) => output.indexOf(line));
    expect(places).not.toContain(-1);
    expect(places.toSorted((one, other) => one - other)).toEqual(places);
    // As in vLLM, the lines of the web server name no process.
    expect(output).toMatch(/^INFO: {5}Application startup complete\.$/m);
    // At every start there is a warning that names an error.
    expect(output).toContain('`OSError: [Errno 24] Too many open files`');
    expect(output).toContain('Route: /v1/responses/{response_id}/cancel, Methods: POST');
  });

  test('refuses connections until it is ready; ended by SIGTERM it has the exit code 130, and its engine core ends with it', async () => {
    await using sim = await launchSim({ env: { SIM_STALL_START: 'weights' } });
    await printed(sim, 'Starting to load model');
    await expect(rawRequest({ port: sim.port, path: '/health' })).rejects.toThrow(/ECONNREFUSED/);
    process.kill(sim.pid, 'SIGTERM');
    expect(await sim.exited).toEqual({ code: 130, signal: null });
    expect(sim.output()).toContain('KeyboardInterrupt: terminated');
    expect(isAlive(enginePid(sim))).toBe(false);
  });

  test('with a command line that vLLM refuses has the exit code 2', async () => {
    await using removed = await launchSim({ args: ['--swap-space', '4'] });
    expect((await removed.exited).code).toBe(2);
    expect(removed.output()).toContain('vllm serve: error: unrecognized arguments: --swap-space 4');
  });

  test('with a configuration that cannot be has the exit code 1', async () => {
    await using sim = await launchSim({ args: ['--gpu-memory-utilization', '1.5'] });
    expect((await sim.exited).code).toBe(1);
    expect(sim.output()).toContain('1 validation error for CacheConfig');
  });

  test('on a port in use has the exit code 1 before any model is loaded', async () => {
    const holder = createServer();
    holder.listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as AddressInfo;
    await using sim = await launchSim({ args: ['--port', String(port)] });
    expect((await sim.exited).code).toBe(1);
    expect(sim.output()).toContain('OSError: [Errno 98] Address already in use');
    expect(sim.output()).not.toContain('Starting to load model');
    holder.close();
  });
});

// Side by side from here on: these tests mostly wait for a process to end.
describe.concurrent('a fault at start', () => {
  test.each([
    ['oom-weights', /torch\.OutOfMemoryError: CUDA out of memory\. Tried to allocate/],
    ['host-oom', /Failed core proc\(s\): \{\}/],
    ['config-error', /is not a local folder and is not a valid model identifier/],
  ])('%s ends the process with the exit code 1, after its words', async (fault, words) => {
    await using sim = await launchSim({ env: { SIM_FAULT: fault } });
    expect(await sim.exited).toEqual({ code: 1, signal: null });
    expect(sim.output()).toMatch(words);
  });

  test('crash-loop comes up and dies again, with the exit code 0', async () => {
    await using sim = await startSim({ env: { SIM_FAULT: 'crash-loop' } });
    expect(await sim.exited).toEqual({ code: 0, signal: null });
    expect(sim.output()).toContain('EngineDeadError');
  });
});

describe.concurrent('a shutdown', () => {
  test('by SIGTERM aborts what is in flight and has the exit code 0', async () => {
    await using sim = await startSim({ env: UNHURRIED });
    const { ended } = await streamUnderWay(sim);
    process.kill(sim.pid, 'SIGTERM');
    const answer = await ended;
    expect(answer.body).toContain('"finish_reason":"abort"');
    expect(answer.body.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(await sim.exited).toEqual({ code: 0, signal: null });
    expect(isAlive(enginePid(sim))).toBe(false);
  });

  test('with --shutdown-timeout lets what is in flight end, is healthy, and fails what comes', async () => {
    await using sim = await startSim({ args: ['--shutdown-timeout', '60'] });
    // In force before the client sees its second token.
    await sim.fault({ fault: 'hang', after_tokens: 2 });
    const { ended } = await streamUnderWay(sim, { ...LONG_STREAM, max_tokens: 40 });
    process.kill(sim.pid, 'SIGTERM');
    await printed(sim, 'shutdown triggered');
    const late = await rawJson(sim.port, CHAT_PATH, { messages: LONG_STREAM.messages });
    expect(late.status).toBe(500);
    expect(late.body).toContain('"message":"cannot schedule new futures after shutdown"');
    expect((await rawRequest({ port: sim.port, path: '/health' })).status).toBe(200);
    // Ends the hang.
    process.kill(sim.pid, 'SIGUSR2');
    expect((await ended).body).toContain('"finish_reason":"length"');
    expect(await sim.exited).toEqual({ code: 0, signal: null });
  });

  test('by SIGTERM to the whole group is orderly too', async () => {
    await using sim = await startSim();
    process.kill(-sim.pid, 'SIGTERM');
    expect(await sim.exited).toEqual({ code: 0, signal: null });
    expect(sim.output()).not.toContain('exited unexpectedly');
    // Also where all went well.
    expect(sim.output()).toContain('EngineDeadError');
  });

  test('may leave its callers in silence: the port is closed, nothing is said, and it ends when they have gone', async () => {
    await using sim = await startSim({ env: { ...UNHURRIED, SIM_SILENT_STOP: '1', SIM_STOP_MS: '0' } });
    await sim.fault({ fault: 'hang', after_tokens: 2 });
    const leaving = new AbortController();
    const answer = await fetch(`${sim.url}${CHAT_PATH}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(LONG_STREAM),
      signal: leaving.signal,
    });
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    let said = '';
    while (!said.includes('"content":" is"')) said += (await reader.read()).value ?? '';
    const more = reader.read().then(({ value }) => value ?? 'its end');
    more.catch(() => undefined);
    process.kill(sim.pid, 'SIGTERM');
    await printed(sim, 'INFO:     Shutting down');
    await until(() => isRefused(sim.port), 'the port is closed');
    expect(await Promise.race([more, new Promise((resolve) => setTimeout(resolve, 50, 'nothing'))])).toBe('nothing');
    leaving.abort();
    expect(await sim.exited).toEqual({ code: 0, signal: null });
  });

  test('of the engine core alone lets what is in flight end, answers what comes with nothing, and is a death to its front end', async () => {
    await using sim = await startSim({ args: ['--shutdown-timeout', '60'] });
    await sim.fault({ fault: 'hang', after_tokens: 2 });
    const { ended } = await streamUnderWay(sim, { ...LONG_STREAM, max_tokens: 40 });
    process.kill(enginePid(sim), 'SIGTERM');
    await printed(sim, '[shutdown] EngineCore: draining in-flight requests count=1 timeout=60s');
    // As recorded of 0.32.0: a role, and nothing else.
    const stream = await rawJson(sim.port, CHAT_PATH, { messages: LONG_STREAM.messages, stream: true });
    expect(stream.body).toMatch(/^data: \{[^\n]*"delta":\{"role":"assistant","content":""\}[^\n]*\n\ndata: \[DONE\]\n\n$/);
    const whole = JSON.parse((await rawJson(sim.port, CHAT_PATH, { messages: LONG_STREAM.messages })).body) as {
      choices: [{ message: { content: string }; finish_reason: string }];
      usage: { completion_tokens: number };
    };
    expect(whole).toMatchObject({ choices: [{ message: { content: '' }, finish_reason: 'abort' }], usage: { completion_tokens: 0 } });
    process.kill(sim.pid, 'SIGUSR2');
    expect((await ended).body).toContain('"finish_reason":"length"');
    expect(await sim.exited).toEqual({ code: 0, signal: null });
    expect(sim.output()).toContain('WARNING');
    expect(sim.output()).toContain('engine core exited unexpectedly');
  });

  test('by SIGTERM does not come when the fault says so, and a closed door opens again', async () => {
    await using sim = await startSim();
    await sim.fault({ fault: 'ignore-sigterm' });
    process.kill(sim.pid, 'SIGTERM');
    expect((await rawRequest({ port: sim.port, path: '/health' })).status).toBe(200);
    await sim.fault({ fault: 'refuse' });
    await expect(rawRequest({ port: sim.port, path: '/health' })).rejects.toThrow(/ECONNREFUSED/);
    await sim.fault({ fault: 'none' });
    expect((await rawRequest({ port: sim.port, path: '/health' })).status).toBe(200);
    process.kill(sim.pid, 'SIGTERM');
    expect((await sim.exited).code).toBe(0);
  });

  test('by SIGKILL leaves the engine core behind as an orphan, with its title', async ({ expect }) => {
    await using sim = await startSim();
    const pid = enginePid(sim);
    process.kill(sim.pid, 'SIGKILL');
    expect((await sim.exited).signal).toBe('SIGKILL');
    expect(isAlive(pid)).toBe(true);
    await expect.poll(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toMatch(/^VLLM::EngineCore/);
    expect(readFileSync(`/proc/${pid}/comm`, 'utf8')).toBe('VLLM::EngineCor\n');
  });
});

describe.concurrent('the death of the engine core', () => {
  test('ends streams with the error, and then the process with the exit code 0', async () => {
    await using sim = await startSim({ env: UNHURRIED });
    const { ended } = await streamUnderWay(sim);
    process.kill(enginePid(sim), 'SIGKILL');
    const answer = await ended;
    expect(answer.status).toBe(200);
    expect(answer.body).toMatch(/data: \{"error": \{"message": "EngineCore encountered an issue\.[^\n]*\n\ndata: \[DONE\]\n\n$/);
    expect(await sim.exited).toEqual({ code: 0, signal: null });
    expect(sim.output()).toMatch(/WARNING [^\n]*MPClient: engine core exited unexpectedly; starting cleanup/);
  });

  test('may begin with one of its workers, which bear vLLM’s names where there are several cards', async ({ expect }) => {
    await using sim = await startSim({ args: ['--tensor-parallel-size', '2'], env: { SIM_GPU: 'h100,h100' } });
    const named = (rank: number): number =>
      Number(/^\d+/m.exec(childrenOf(enginePid(sim)).find((one) => one.endsWith(`VLLM::Worker_TP${rank}`)) ?? ''));
    await expect.poll(() => named(1), { timeout: 30_000 }).toBeGreaterThan(0);
    const other = named(0);
    process.kill(named(1), 'SIGKILL');
    expect(await sim.exited).toEqual({ code: 0, signal: null });
    expect(sim.output()).toContain('Worker proc VllmWorker-1 died unexpectedly (exit code: -9), shutting down executor.');
    expect(sim.output()).toContain('EngineCore encountered a fatal error.');
    await expect.poll(() => isAlive(other), { timeout: 30_000 }).toBe(false);
  });

  test('makes /health say 503 while the port is still open', async () => {
    await using sim = await startSim({ env: { VLLM_KEEP_ALIVE_ON_ENGINE_DEATH: '1' } });
    process.kill(enginePid(sim), 'SIGKILL');
    await printed(sim, 'EngineDeadError');
    expect((await rawRequest({ port: sim.port, path: '/health' })).status).toBe(503);
    expect((await rawRequest({ port: sim.port, path: '/v1/models' })).status).toBe(200);
  });

  test('answers a new request with the 500 of vLLM', async () => {
    await using sim = await startSim({ env: { VLLM_KEEP_ALIVE_ON_ENGINE_DEATH: '1' } });
    process.kill(enginePid(sim), 'SIGKILL');
    await printed(sim, 'EngineDeadError');
    const answer = await rawJson(sim.port, CHAT_PATH, LONG_STREAM);
    expect(answer.status).toBe(500);
    expect(answer.body).toContain('EngineCore encountered an issue.');
  });

  test('together with the whole server leaves no answer', async () => {
    await using sim = await startSim();
    await sim.fault({ fault: 'host-oom', after_tokens: 5 });
    const answer = await rawJson(sim.port, CHAT_PATH, LONG_STREAM);
    expect(answer.ending).not.toBe('complete');
    expect((await sim.exited).signal).toBe('SIGKILL');
  });
});
