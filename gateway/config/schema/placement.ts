import { z } from 'zod';
import { count, modelName } from './values/kinds.ts';

const gpu = z.union([
  count(0, 255),
  z.string().regex(/^(?:GPU|MIG)-[\w/.-]{1,128}$/, 'expected the index of a GPU, or its id (GPU-… or MIG-…) as nvidia-smi -L prints it'),
]);

/** `supervisor.placement`: auto, or by the id of a model the GPUs that it may use. */
export const placement = () =>
  z
    .union([z.literal('auto'), z.record(modelName(), z.array(gpu).min(1).max(64))])
    .default('auto')
    .describe(
      'Which GPUs a model may use, by its id: { my-model: [0, 1] }, each by index or by id (GPU-…). auto, and models that are not named: where they fit, on cards of their own as long as there are any.',
    );
