import { z } from 'zod';
import { settingsSchema } from './settings.ts';

export type Json = z.core.JSONSchema.BaseSchema;

/** What may be written for a schema, in draft 7, which the YAML language server reads best. */
export function toJsonSchema(schema: z.ZodType, override?: NonNullable<z.core.ToJSONSchemaParams['override']>): Json {
  return z.toJSONSchema(schema, { io: 'input', target: 'draft-7', unrepresentable: 'any', ...(override && { override }) }) as Json;
}

/** Where the generated schema is kept, from the root of the repository. */
export const SCHEMA_FILE = 'gateway/config/schema/headgate.schema.json';

/**
 * The JSON Schema of a settings file, for editors. Every key is described; a value that is not free text may also be a `${VARIABLE}`.
 */
export function settingsJsonSchema(): Record<string, unknown> {
  const schema = toJsonSchema(settingsSchema, ({ jsonSchema, path }) => {
    // A group that may be left out is absent from `required`; its default would only be {}.
    if (jsonSchema.type === 'object') delete jsonSchema.default;
    if (isRestricted(jsonSchema) && !path.includes('propertyNames') && !path.includes('engine')) allowVariable(jsonSchema);
  });
  return { ...schema, title: 'Headgate settings' };
}

function isRestricted({ type, enum: choices, pattern }: Json): boolean {
  const types: readonly unknown[] = [type].flat();
  return (
    choices !== undefined || pattern !== undefined || types.some((each) => each === 'integer' || each === 'number' || each === 'boolean')
  );
}

function allowVariable(json: Json): void {
  const { default: fallback, description, ...constraint } = json;
  for (const key of Object.keys(json)) delete json[key];
  if (description !== undefined) json.description = description;
  if (fallback !== undefined) json.default = fallback;
  json.anyOf = [constraint, { type: 'string', pattern: '\\$\\{[A-Za-z_][A-Za-z0-9_]*(:-.*)?\\}' }];
}
