import { z } from 'zod';
import { serverUrlProblem } from '../values/addresses.ts';
import { ENGINE_KINDS } from '../values/engine-kinds.ts';
import { checked, count, modelName, secret } from '../values/kinds.ts';
import { dnsProblem, kubernetesWorkers } from './discovery.ts';

/** A server that somebody else runs, or several that are found in one place. */
export const listedWorker = () =>
  z.strictObject({
    url: checked((text) => serverUrlProblem(text, 'base'))
      .transform((text) => new URL(text).href.replace(/\/+$/, ''))
      .nullable()
      .default(null)
      .describe(
        'A running server: its root, such as http://10.0.0.5:8000, or the base URL that an OpenAI client would be given, such as https://api.example.com/v1. Or else kubernetes, or dns.',
      ),
    kubernetes: kubernetesWorkers()
      .nullable()
      .default(null)
      .describe('Workers that are the pods of a service of Kubernetes, as they come and go.'),
    dns: checked(dnsProblem)
      .nullable()
      .default(null)
      .describe('Workers that are the addresses of a name, as NAME:PORT, or of a service record, such as _http._tcp.vllm.example.com.'),
    engine: z
      .enum(['auto', ...ENGINE_KINDS])
      .default('auto')
      .describe('What it runs: how its health and load are read, and which paths it has. auto: found by asking it. openai: any service.'),
    api_key: secret().nullable().default(null).meta({ description: 'Key the worker asks for (vllm serve --api-key).', writeOnly: true }),
    models: z.array(modelName()).min(1).nullable().default(null).describe('Ids of the models it serves; null asks the worker itself.'),
    max_num_seqs: count(1, 65_536).default(256).describe('Sequences the worker runs at once (vllm serve --max-num-seqs).'),
    scheduling_policy: z
      .enum(['fcfs', 'priority'])
      .default('fcfs')
      .describe('What the worker was started with (vllm serve --scheduling-policy). priority: it is told which calls have time.'),
    group: z
      .string()
      .regex(/^[a-z][a-z0-9_-]{0,31}$/, 'expected a name of small letters, digits, dashes and underscores, such as canary')
      .default('main')
      .describe('Workers of any group but main get calls only in a canary (headgate canary), or when none of main may be asked.'),
  });
