import type { FileRow, Listed } from '../../state/store/file-terms.ts';

const SECOND_MS = 1_000;

/** A file as OpenAI's SDKs know it. It is `processed` at once: they poll until it is. */
export function fileObject({ id, bytes, createdAt, expiresAt, filename, purpose }: FileRow) {
  return {
    id,
    object: 'file',
    bytes,
    created_at: Math.floor(createdAt / SECOND_MS),
    expires_at: expiresAt === null ? null : Math.floor(expiresAt / SECOND_MS),
    filename,
    purpose,
    status: 'processed',
    status_details: null,
  };
}

/** A page of a list, as OpenAI's SDKs go through it. */
export function listObject<Row, Shape extends { readonly id: string }>({ rows, hasMore }: Listed<Row>, shape: (row: Row) => Shape) {
  const data = rows.map(shape);
  return { object: 'list', data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more: hasMore };
}
