import { describe, expect, test } from 'vitest';
import { createAsked } from '../../../gateway/batches/create-asked.ts';
import { GatewayError } from '../../../gateway/core/errors.ts';

const GOOD = { input_file_id: 'file-1', endpoint: '/v1/chat/completions', completion_window: '24h' };

function refusal(body: object): { code: unknown; param: unknown; message: string; status: number } | null {
  try {
    createAsked({ ...GOOD, ...body });
    return null;
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return { code: error.details.code ?? error.row.code, param: error.details.param, message: error.message, status: error.status };
  }
}

describe('what OpenAI refuses at once', () => {
  test.each([
    ...['input_file_id', 'endpoint', 'completion_window'].map(
      (name) => [{ [name]: undefined }, 'missing_required_parameter', name, `Missing required parameter: '${name}'.`] as const,
    ),
    [
      { input_file_id: 1 },
      'invalid_type',
      'input_file_id',
      "Invalid type for 'input_file_id': expected a string, but got an integer instead.",
    ],
    [
      { endpoint: '/v1/invalid/endpoint' },
      'invalid_value',
      'endpoint',
      "Invalid value: '/v1/invalid/endpoint'. Supported values are: '/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/responses', '/v1/score', and '/v1/rerank'.",
    ],
    ...['1h', '48h', 'invalid', ''].map(
      (window) =>
        [
          { completion_window: window },
          'invalid_value',
          'completion_window',
          `Invalid value for 'completion_window': '${window}'. Supported values are: '24h'.`,
        ] as const,
    ),
    [
      { metadata: { tags: [] } },
      'invalid_type',
      'metadata.tags',
      "Invalid type for 'metadata.tags': expected a string, but got an array instead.",
    ],
    [{ metadata: 'x' }, 'invalid_type', 'metadata', "Invalid type for 'metadata': expected an object, but got a string instead."],
    [{ metadata: Object.fromEntries(Array.from({ length: 17 }, (_, at) => [at, ''])) }, 'object_above_max_properties', 'metadata', null],
    [{ metadata: { ['k'.repeat(65)]: '' } }, 'property_name_above_max_length', 'metadata', null],
    [{ metadata: { k: 'v'.repeat(513) } }, 'string_above_max_length', 'metadata.k', null],
    [{ output_expires_after: { anchor: 'now', seconds: 3_600 } }, 'invalid_value', 'output_expires_after.anchor', null],
    [{ output_expires_after: { anchor: 'created_at' } }, 'missing_required_parameter', 'output_expires_after.seconds', null],
    [{ output_expires_after: { anchor: 'created_at', seconds: 3_599 } }, 'integer_below_min_value', 'output_expires_after.seconds', null],
    [
      { output_expires_after: { anchor: 'created_at', seconds: 2_592_001 } },
      'integer_above_max_value',
      'output_expires_after.seconds',
      null,
    ],
  ] as [object, string, string, string | null][])('%j', (body, code, param, message) => {
    expect(refusal(body)).toEqual({ code, param, status: 400, message: message ?? (expect.any(String) as string) });
  });
});

test('what it takes', () => {
  const metadata = { ['k'.repeat(64)]: 'v'.repeat(512) };
  const asked = createAsked({ ...GOOD, metadata, output_expires_after: { anchor: 'created_at', seconds: 3_600 } });
  expect(asked).toEqual({
    ...{ inputFile: 'file-1', endpoint: '/v1/chat/completions', completionWindow: '24h' },
    ...{ metadata, outputExpiresAfterS: 3_600 },
  });
  expect(createAsked({ ...GOOD, metadata: null, output_expires_after: null })).toMatchObject({ metadata: null, outputExpiresAfterS: null });
});
