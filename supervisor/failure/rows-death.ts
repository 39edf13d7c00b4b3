import type { FailureRow } from './row.ts';

function says(text: string): () => string {
  return () => text;
}

/** vLLM waits this long for its own engine where nobody gives it longer. */
const HANDSHAKE_MS = 590_000;

/** Deaths: of hardware, of kernels, of connections between an engine's parts, and those of which only the fact is known. */
export const DEATH_ROWS = [
  {
    class: 'hardware',
    pattern: /GPU has fallen off the bus|GPU requires reset|GPU is lost|uncorrectable ECC error|Xid.*: (?:48|63|64|74|79|94|95)\b/,
    rank: 'decisive',
    anyLevel: true,
    retry: 'never',
    message: says('The GPU reports a hardware fault.'),
    advice: 'Look into the kernel log (dmesg, “Xid”); the card needs a reset, a reboot, or replacement.',
  },
  {
    class: 'crash',
    pattern:
      /an illegal memory access|unspecified launch failure|device-side assert|Segmentation fault|Segfault encountered|CUDA error: misaligned address/,
    rank: 'telling',
    retry: 'backoff',
    message: says('The engine crashed inside a GPU kernel.'),
    advice: 'If it returns, try enforce_eager: true or another attention backend, and look for “Xid” in the kernel log.',
  },
  {
    class: 'interconnect',
    pattern: /NCCL error|ncclCommInitRank|ncclUnhandledCudaError|Gloo connectFullMesh failed/,
    rank: 'telling',
    retry: 'backoff',
    message: says('The GPUs, or the engine’s processes, could not talk to each other.'),
    advice: 'In a container give /dev/shm room (--shm-size 8g or --ipc=host); between cards without a bridge try NCCL_P2P_DISABLE=1.',
  },
  {
    class: 'engine-hang',
    pattern: /RPC call to \w+ timed out|TimeoutError: .*(?:execute_model|sample_tokens)/,
    rank: 'telling',
    retry: 'backoff',
    message: says('A part of the engine stopped answering the others.'),
    advice: 'If it returns, look for “Xid” in the kernel log and for “No available shared memory broadcast block” in the worker’s log.',
  },
  {
    class: 'start-timeout',
    pattern: /Timed out waiting for engine core processes to start/,
    rank: 'telling',
    during: 'start',
    retry: 'backoff',
    message: says('vLLM gave up waiting for its own engine process.'),
    advice: 'The first start compiles kernels and is slow; the next one is faster. Raise supervisor.start_timeout_ms.',
  },
  {
    class: 'start-timeout',
    pattern: /Failed core proc\(s\): \{\}/,
    rank: 'generic',
    during: 'start',
    afterMs: HANDSHAKE_MS,
    retry: 'backoff',
    message: says('vLLM gave up waiting for its own engine process, which was still preparing.'),
    advice: 'The first start compiles kernels and is slow; the next one is faster. Raise supervisor.start_timeout_ms.',
  },
  {
    class: 'engine-start',
    pattern: /Engine core initialization failed|EngineCore failed to start|WorkerProc initialization failed/,
    rank: 'generic',
    during: 'start',
    retry: 'backoff',
    message: says('The engine failed while starting.'),
    advice: 'The cause stands further up in the worker’s log file.',
  },
  {
    class: 'engine-death',
    pattern:
      /EngineDeadError|EngineCore encountered a fatal error|engine core exited unexpectedly|died unexpectedly|Executor failed\.|EngineCore encountered an issue/,
    rank: 'generic',
    retry: 'backoff',
    message: says('The engine behind the API server died.'),
    advice: 'The cause stands further up in the worker’s log file.',
  },
] as const satisfies readonly FailureRow[];
