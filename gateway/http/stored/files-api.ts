import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Clock } from '../../core/clock.ts';
import { JournalFolder } from '../../batches/journals/journal-folder.ts';
import { GatewayError } from '../../core/errors.ts';
import { nameOf } from '../../core/principal.ts';
import type { Files } from '../../files/files.ts';
import type { Door } from '../../keys/door.ts';
import type { Owner } from '../../state/store/file-terms.ts';
import { discardBody } from '../body/read-body.ts';
import { hurry, takesItsTime } from '../body/slow-upload.ts';
import { principalOf } from '../credentials.ts';
import type { Crowd } from '../crowd.ts';
import type { HttpAnswer, HttpContext } from '../http-env.ts';
import type { Stage } from '../lifecycle.ts';
import type { Overload } from '../overload.ts';
import { fileObject, listObject } from './file-object.ts';
import { checkAfter, pageAsked } from './page-asked.ts';
import { Places } from './places.ts';
import { receiveFile } from './receive-file.ts';
import { contentHead, sendContent } from './send-content.ts';

export interface FilesApiContext {
  readonly clock: Clock;
  /** null: there is no place for them. */
  readonly files: Files | null;
  readonly door: Door;
  readonly lifecycle: () => Stage;
  readonly overload: Overload;
  readonly crowd: Crowd;
  /** What a client may take to send any body, in ms; a file may take longer as long as it moves. */
  readonly uploadTimeoutMs: () => number;
  readonly told: FileHearer;
}

/** Who hears of what has been done with files. */
export interface FileHearer {
  added(file: FileTold & { readonly bytes: number; readonly purpose: string; readonly durationMs: number }): void;
  deleted(file: FileTold): void;
  /** @param doing as in "writing a file" */
  trouble(doing: string, message: string): void;
}

interface FileTold {
  readonly id: string;
  readonly key: Owner;
  readonly requestId: string;
}

const LIST = { usualLimit: 10_000, mostLimit: 10_000 };

export interface FilesApi extends Record<'create' | 'list' | 'show' | 'remove' | 'content', HttpAnswer> {
  /** Where batches write until what they write is a file; null: nowhere. */
  readonly journals: JournalFolder | null;
  /** Resolves when no file is being sent or fetched. */
  idle(): Promise<void>;
}

/** OpenAI's Files API. A file is there for whoever sent it, and for nobody else. */
export function filesApi(context: FilesApiContext): FilesApi {
  const uploads = new Places('uploads', { all: 64, each: 16 });
  const downloads = new Places('downloads', { all: 128, each: 32 });

  function filesFor(c: HttpContext): { readonly files: Files; readonly owner: Owner } {
    // Before anything is said of what is here: strangers are not told.
    const principal = principalOf(c.env.incoming, context.door);
    const { files } = context;
    if (files === null) throw new GatewayError('unknown_url', NO_PLACE);
    return { files, owner: nameOf(principal) ?? '' };
  }

  return {
    journals: context.files === null ? null : new JournalFolder(context.files.folder),
    idle: async () => void (await Promise.all([uploads.idle(), downloads.idle()])),

    async create(c) {
      const { incoming, outgoing } = c.env;
      const startedAt = context.clock.now();
      if (context.lifecycle() === 'refusing') throw new GatewayError('draining', 'The gateway is shutting down.', { close: true });
      context.overload.check();
      context.crowd.check(incoming.socket);
      const { files, owner } = filesFor(c);
      const place = uploads.take(owner);
      try {
        takesItsTime(incoming);
        const onWanted = (): void => {
          // Any other expectation was refused by the server. HTTP/1.0 knows no interim answers.
          if (incoming.headers.expect !== undefined && incoming.httpVersion === '1.1') outgoing.writeContinue();
        };
        const { clock, uploadTimeoutMs: allowanceMs } = context;
        const row = await receiveFile(incoming, { clock, files, owner, onWanted, allowanceMs });
        const { id, bytes, purpose } = row;
        context.told.added({ id, bytes, purpose, key: owner, requestId: requestId(c), durationMs: context.clock.now() - startedAt });
        return c.json(fileObject(row));
      } catch (error) {
        hurry(incoming, context.clock, context.uploadTimeoutMs());
        discardBody(incoming);
        throw error;
      } finally {
        place.release();
      }
    },

    async list(c) {
      const { files, owner } = filesFor(c);
      const page = pageAsked((name) => c.req.query(name), LIST);
      const listed = await files.list(owner, c.req.query('purpose') ?? null, page);
      checkAfter(listed.isKnown, page.after);
      return c.json(listObject(listed, fileObject));
    },

    async show(c) {
      const { files, owner } = filesFor(c);
      return c.json(fileObject(await files.find(idOf(c), owner)));
    },

    async remove(c) {
      const { files, owner } = filesFor(c);
      const id = idOf(c);
      await files.remove(id, owner);
      context.told.deleted({ id, key: owner, requestId: requestId(c) });
      return c.json({ id, object: 'file', deleted: true });
    },

    async content(c) {
      const { incoming, outgoing } = c.env;
      const { files, owner } = filesFor(c);
      const place = downloads.take(owner);
      try {
        const bytes = await files.open(idOf(c), owner);
        try {
          const head = contentHead(incoming, bytes);
          if (c.req.method === 'HEAD') return new Response(null, head);
          await sendContent(incoming, outgoing, bytes, head).catch((error: unknown) =>
            context.told.trouble('sending a file', (error as Error).message),
          );
          return RESPONSE_ALREADY_SENT;
        } finally {
          await bytes.close().catch(() => {});
        }
      } finally {
        place.release();
      }
    },
  };
}

const NO_PLACE = 'Files are not kept here: this gateway has no folder for them. Whoever runs it can set files.dir and database.url.';

function requestId(c: HttpContext): string {
  return String(c.env.outgoing.getHeader('x-request-id') ?? '');
}

function idOf(c: HttpContext): string {
  return c.req.param('id') ?? '';
}
