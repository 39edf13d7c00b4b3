import { z } from 'zod';
import { gpuSchema, modelSchema, tuningSchema } from './schema.ts';

/** The JSON Schemas of profile files, for editors, by their place under `profiles/`. Draft 7, which the YAML language server reads best. */
export function profileJsonSchemas(): Readonly<Record<string, object>> {
  return {
    'schema/gpu.schema.json': toJson(gpuSchema, 'Headgate GPU profile'),
    'schema/model.schema.json': toJson(modelSchema, 'Headgate model profile'),
    'schema/tuning.schema.json': toJson(tuningSchema, 'Headgate tuning'),
  };
}

function toJson(schema: z.ZodType, title: string): object {
  return { ...z.toJSONSchema(schema, { io: 'input', target: 'draft-7', unrepresentable: 'any' }), title };
}
