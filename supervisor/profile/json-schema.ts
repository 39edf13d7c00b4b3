import type { z } from 'zod';
import { toJsonSchema } from '../../gateway/config/schema/json-schema.ts';
import { gpuSchema, modelSchema, tuningSchema } from './schema.ts';

/** The JSON Schemas of profile files, for editors, by their place under `profiles/`. */
export function profileJsonSchemas(): Readonly<Record<string, object>> {
  return {
    'schema/gpu.schema.json': toJson(gpuSchema, 'Headgate GPU profile'),
    'schema/model.schema.json': toJson(modelSchema, 'Headgate model profile'),
    'schema/tuning.schema.json': toJson(tuningSchema, 'Headgate tuning'),
  };
}

function toJson(schema: z.ZodType, title: string): object {
  return { ...toJsonSchema(schema), title };
}
