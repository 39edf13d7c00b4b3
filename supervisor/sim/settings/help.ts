import { changeLines } from './since.ts';
import { VERSION } from './settings.ts';
import { FLAGS } from '../../flags/flag-table.ts';
import type { UsageError } from './flags.ts';

const PROGRAM = 'vllm serve';

/** What argparse prints on stderr for a command line it refuses. */
export function usageText(error: UsageError): string {
  return `usage: ${PROGRAM} [model_tag] [options]\n${PROGRAM}: error: ${error.message}\n`;
}

/** `vllm serve --help=all`. */
export function helpText(): string {
  const lines = FLAGS.map(([names, kind, choices]) => {
    const [long, ...short] = names.split(' ');
    const metavar = choices === undefined ? long!.slice(2).replaceAll('-', '_').toUpperCase() : `{${choices.replaceAll(' ', ',')}}`;
    if (kind === 'switch') return `  ${[long, ...short].join(', ')}`;
    if (kind === 'bool') return `  ${[long, `--no-${long!.slice(2)}`, ...short].join(', ')}`;
    const value = kind.endsWith('+') ? `${metavar} [${metavar} ...]` : kind.endsWith('?') ? `[${metavar}]` : metavar;
    return `  ${[long, ...short].map((name) => `${name} ${value}`).join(', ')}`;
  });
  return [
    `usage: ${PROGRAM} [model_tag] [options]`,
    '',
    `Launch a local OpenAI-compatible API server (simulated as vLLM ${VERSION.replace(/\+.*/, '')} is: no model is loaded).`,
    '',
    'positional arguments:',
    '  model_tag             The model tag to serve (optional if specified in config)',
    '',
    'options:',
    '  -h, --help            show this help message and exit',
    ...lines,
    '',
    'where versions of vLLM differ (the simulation is 0.32):',
    ...changeLines(),
    '',
    'environment of the simulation:',
    '  SIM_GPU               the pretend card: t4, l4, rtx-a4000, rtx-3060, rtx-4080, ... (none: a roomy one)',
    '  SIM_SPEED             factor on every duration; 0 waits for nothing (1)',
    '  SIM_START_MS          milliseconds that a start takes (1500 times SIM_SPEED)',
    '  SIM_SEED              seed for requests that bring none (0)',
    '  SIM_VRAM_FILE         pretend GPU memory that processes share: a JSON file, made with the cards of SIM_GPU where there is none',
    '  SIM_VRAM_RELEASE_MS   how long the memory stays taken after the engine core has ended (0)',
    '  SIM_STOP_MS           milliseconds that an orderly stop takes (5500 times SIM_SPEED)',
    '  SIM_SILENT_STOP=1     a stop says nothing to the calls in flight and waits for their clients to go, as vLLM does two times of three',
    '  SIM_GRAPH_FACTOR      how much larger CUDA graphs turn out than estimated (1.15)',
    '  SIM_RUNTIME_OOM_ABOVE_UTIL   out of memory while serving, unless gpu_memory_utilization is at most this',
    '  SIM_STALL_START       the start stands still at: resolve, weights, compile, profile, kv, graphs, warm-up',
    '  SIM_START_ERROR, SIM_DEATH_ERROR   last words: of a start that fails, of the engine core when engine-death strikes',
    '  SIM_LOG_MIB           MiB of log to print once the server is ready, spread over SIM_LOG_SECONDS (0)',
    '  SIM_FAULT             what is to go wrong from the start on',
    '  SIM_FAULT_AFTER_TOKENS   tokens that such a fault lets pass (8)',
    '  SIM_FAULTS=1          opens POST /sim/fault; SIGUSR2 ends what lasts of such faults',
    '',
  ].join('\n');
}
