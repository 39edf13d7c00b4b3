import { z } from 'zod';
import { settingsSchema } from './settings.ts';

/** Where the generated schema is kept, from the root of the repository. */
export const SCHEMA_FILE = 'gateway/config/headgate.schema.json';

const VARIABLE = {
  type: 'string',
  pattern: '^[^$]*\\$\\{.*\\}.*$',
  description: 'A value from the environment: ${NAME} or ${NAME:-value}.',
} as const;

/**
 * The JSON Schema of a settings file, for editors. Draft 7, which the YAML language server reads best. Every key is described; a value
 * that is not text may also be a `${VARIABLE}`.
 */
export function settingsJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(settingsSchema, {
    io: 'input',
    target: 'draft-7',
    unrepresentable: 'any',
    override({ jsonSchema }) {
      // A group left empty is fine, so its default says nothing.
      if (jsonSchema.type === 'object') delete jsonSchema.default;
      const types = jsonSchema.type === undefined ? [] : [jsonSchema.type].flat();
      const isValue =
        types.some((type) => ['integer', 'number', 'boolean'].includes(type)) || (jsonSchema.enum !== undefined && types.length <= 1);
      if (!isValue || (types.includes('string' as never) && jsonSchema.enum === undefined)) return;
      const { default: fallback, description, ...constraint } = jsonSchema;
      for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
      Object.assign(jsonSchema, {
        ...(description === undefined ? {} : { description }),
        ...(fallback === undefined ? {} : { default: fallback }),
      });
      jsonSchema.anyOf = [constraint, VARIABLE];
    },
  });
  return { ...schema, title: 'Headgate settings' } as Record<string, unknown>;
}

/** The text of the schema's file. */
export function settingsJsonSchemaText(): string {
  return `${JSON.stringify(settingsJsonSchema(), null, 2)}\n`;
}
