import { VERSION } from '../settings/settings.ts';
import type { Log } from '../settings/log.ts';

const ENGINE_DEAD =
  'vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.';

/** What the task that waits for the engine's tokens says once there is no engine: at its death, and in every orderly stop as well. */
function outputHandlerFailed(log: Log): void {
  log.error('APIServer', 'async_llm.py:906', 'AsyncLLM output_handler failed.');
  log.error(
    'APIServer',
    'async_llm.py:906',
    `Traceback (most recent call last):\n  File "vllm/v1/engine/async_llm.py", line 849, in output_handler\n    outputs = await engine_core.get_output_async()\n${ENGINE_DEAD}`,
  );
}

/** The front end's words when its engine core has gone without being told to (death-kill9-enginecore, 0.32.0). */
export function sayEngineGone(log: Log): void {
  log.info('APIServer', 'utils.py:628', '[shutdown] Process manager: send sigterm to process EngineCore');
  log.warning('APIServer', 'core_client.py:817', '[shutdown] MPClient: engine core exited unexpectedly; starting cleanup');
  log.info('APIServer', 'core_client.py:770', '[shutdown] MPClient: start timeout=default');
  log.info('APIServer', 'core_client.py:772', '[shutdown] MPClient: stopping engine manager');
  sayClientStopped(log);
  outputHandlerFailed(log);
}

/** The engine core's words when one of its workers has gone (death-tp2-kill9-worker, 0.32.0). */
export function sayWorkerDied(log: Log, model: string, rank: number, status: number): void {
  const died = `Worker proc VllmWorker-${rank} died unexpectedly (exit code: ${status}), shutting down executor.`;
  log.error('EngineCore', 'multiproc_executor.py:315', died);
  log.info('EngineCore', 'multiproc_executor.py:479', '[shutdown] Executor: waiting for worker exit count=1');
  log.error('EngineCore', 'dump_input.py:72', `Dumping input data for V1 LLM engine (v${VERSION}) with config: model='${model}'`);
  log.error('EngineCore', 'core.py:1512', 'EngineCore encountered a fatal error.');
  log.error(
    'EngineCore',
    'core.py:1512',
    'Traceback (most recent call last):\n  File "vllm/distributed/device_communicators/shm_broadcast.py", line 867, in acquire_read\n    raise RuntimeError("cancelled")\nRuntimeError: cancelled',
  );
}

function sayClientStopped(log: Log): void {
  log.info('APIServer', 'core_client.py:774', '[shutdown] MPClient: engine manager stopped');
  log.info('APIServer', 'core_client.py:775', '[shutdown] MPClient: cleaning up background resources');
  log.info('APIServer', 'core_client.py:777', '[shutdown] MPClient: complete');
}

/** Told to stop, with so many seconds for what is in flight (death-sigterm-apiserver, 0.32.0). */
export function sayStopping(log: Log, timeoutS: number): void {
  log.info('APIServer', 'launcher.py:254', '[shutdown] API server: shutdown triggered');
  log.info('APIServer', 'launcher.py:270', `[shutdown] API server: stopping engine client mode=${modeOf(timeoutS)} timeout=${timeoutS}s`);
  log.info('APIServer', 'core_client.py:770', `[shutdown] MPClient: start timeout=${timeoutS}s`);
  log.info('APIServer', 'core_client.py:772', '[shutdown] MPClient: stopping engine manager');
  log.info('APIServer', 'utils.py:628', '[shutdown] Process manager: send sigterm to process EngineCore');
}

/** The engine core's words when it is told to stop, by its front end or by anyone. `inFlight`: requests. */
export function sayEngineStopping(log: Log, timeoutS: number, inFlight: number): void {
  log.info('EngineCore', 'core.py:1454', '[shutdown] EngineCore: trigger received signal=SIGTERM');
  log.info('EngineCore', 'core.py:1635', `[shutdown] EngineCore: start mode=${modeOf(timeoutS)} timeout=${timeoutS}s`);
  if (inFlight === 0 || timeoutS === 0) return;
  log.info('EngineCore', 'core.py:1655', `[shutdown] EngineCore: draining in-flight requests count=${inFlight} timeout=${timeoutS}s`);
}

export function sayEngineStopped(log: Log): void {
  log.info('EngineCore', 'core.py:1666', '[shutdown] EngineCore: request processing complete; starting resource teardown');
  log.info('EngineCore', 'core.py:1499', '[shutdown] EngineCore: exiting busy loop');
}

/** The rest of an orderly stop, up to where the front end closes. */
export function sayStopped(log: Log): void {
  sayClientStopped(log);
  outputHandlerFailed(log);
  log.info('APIServer', 'launcher.py:279', '[shutdown] API server: engine client stopped');
  log.info('APIServer', 'launcher.py:282', '[shutdown] API server: signalling HTTP server shutdown');
  log.info('APIServer', 'launcher.py:304', '[shutdown] API server: shutting down FastAPI HTTP server');
}

function modeOf(timeoutS: number): string {
  return timeoutS > 0 ? 'drain' : 'abort';
}
