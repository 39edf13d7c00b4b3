import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../core/clock.ts';
import type { Draft } from '../../files/draft.ts';
import { batchTooLarge, type Files, fileTooLarge, type NewFile } from '../../files/files.ts';
import { checkPurpose, expirySeconds, keptName } from '../../files/file-rules.ts';
import { invalid, missing } from '../../openai/param-refusals.ts';
import type { FileRow, Owner } from '../../state/store/file-terms.ts';
import { FORM_BYTES, readForm } from './read-form.ts';

export interface Receiving {
  readonly clock: Clock;
  readonly files: Files;
  readonly owner: Owner;
  /** Nothing in its head speaks against reading its body. */
  readonly onWanted: () => void;
  /** What a client may take in any case, in ms. */
  readonly allowanceMs: () => number;
}

const FIELDS: ReadonlySet<string> = new Set(['purpose', 'expires_after[anchor]', 'expires_after[seconds]']);

/**
 * Receives a file by a form: straight to the disk, whatever stands first in it. Whatever it throws, nothing is left.
 * @throws every error of a form, of its fields and of the disk, as a GatewayError
 */
export async function receiveFile(incoming: IncomingMessage, { clock, files, owner, onWanted, allowanceMs }: Receiving): Promise<FileRow> {
  const { max_file_bytes: most, batch_max_file_bytes: mostOfBatch } = files.settings;
  const declared = declaredLength(incoming);
  if (declared !== null && declared > most + FORM_BYTES) throw fileTooLarge(most);
  onWanted();
  const fields = new Map<string, string>();
  let draft: Draft | null = null;
  let name: string | null = null;
  const check = (): void => {
    const bytes = draft?.bytes ?? 0;
    if (bytes > most) throw fileTooLarge(most);
    // Said before the file: nobody has to send the rest.
    if (fields.get('purpose') === 'batch' && bytes > mostOfBatch) throw batchTooLarge();
  };
  try {
    const { hasFile } = await readForm(
      incoming,
      {
        async begin(filename) {
          name = keptName(filename);
          draft = await files.begin((declared ?? 0) - FORM_BYTES);
        },
        async piece(bytes) {
          await draft!.write(bytes);
          check();
        },
        field(key, value) {
          if (!FIELDS.has(key)) return;
          if (fields.has(key)) throw invalid(`The form holds '${key}' more than once.`, key);
          if (key === 'purpose') checkPurpose(value);
          fields.set(key, value);
          check();
        },
        isBusy: () => draft?.isBusy ?? false,
        discard: async () => draft?.discard(),
      },
      { clock, mostBytes: most + FORM_BYTES, allowanceMs, tooLarge: () => fileTooLarge(most) },
    );
    if (!hasFile || name === null || draft === null) throw missing('file');
    let about: NewFile;
    try {
      about = { owner, filename: name, ...ofFields(fields) };
    } catch (error) {
      await (draft as Draft).discard();
      throw error;
    }
    return await files.add(draft, about);
  } catch (thrown) {
    throw files.told('writing a file', thrown);
  }
}

function ofFields(fields: ReadonlyMap<string, string>): Pick<NewFile, 'purpose' | 'expiresAfterS'> {
  const purpose = fields.get('purpose');
  if (purpose === undefined) throw missing('purpose');
  return { purpose, expiresAfterS: expirySeconds(fields.get('expires_after[anchor]'), fields.get('expires_after[seconds]')) };
}

function declaredLength({ headers }: IncomingMessage): number | null {
  const length = headers['content-length'];
  return length === undefined ? null : Number(length);
}
