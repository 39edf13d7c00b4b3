import type { BatchDesk } from '../../batches/batch-desk.ts';
import { batchObject } from '../../batches/batch-object.ts';
import type { JournalBytes } from '../../state/store/file-bytes.ts';
import { linesSoFar } from '../../batches/journals/lines-so-far.ts';
import { hasEnded } from '../../batches/life.ts';
import { type OperatorBatch, operatorBatch } from '../../batches/operator-view.ts';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import { nameOf } from '../../core/principal.ts';
import type { Door } from '../../keys/door.ts';
import { parseJsonBody } from '../../openai/json-body.ts';
import { idempotencyKeyOf, invalid } from '../../openai/param-refusals.ts';
import type { Owner } from '../../state/store/file-terms.ts';
import { checkDeclaredLength, discardBody, readBody } from '../body/read-body.ts';
import { principalOf } from '../credentials.ts';
import type { HttpAnswer, HttpContext } from '../http-env.ts';
import { checkJsonType } from '../identify.ts';
import { listObject } from './file-object.ts';
import { checkAfter, pageAsked } from './page-asked.ts';

/** Room for all metadata that there may be, however it is escaped. */
const MOST_BYTES = 262_144;
const LIST = { usualLimit: 20, mostLimit: 100 };
/** Of lines, in one answer. */
const SOME_BYTES = 1_048_576;

export interface BatchesApiContext {
  readonly clock: Clock;
  /** null: there are no batches here. */
  readonly desk: () => BatchDesk | null;
  readonly door: Door;
  /** Where batches that run write; null: nowhere. */
  readonly journals: JournalBytes | null;
}

/** What GET /admin/batches answers, the newest first. */
export interface OperatorBatches {
  readonly batches: readonly OperatorBatch[];
  readonly has_more: boolean;
}

export interface BatchesApi extends Record<'create' | 'list' | 'show' | 'cancel' | 'all', HttpAnswer> {
  /** What a batch that runs has written so far. */
  soFar: HttpAnswer;
}

/** OpenAI's Batch API, and what operators see of all batches (`all`; whoever serves that has checked who asks). */
export function batchesApi({ clock, desk, door, journals }: BatchesApiContext): BatchesApi {
  function deskFor(c: HttpContext): { readonly desk: BatchDesk; readonly owner: Owner } {
    // Before anything is said of what is here: strangers are not told.
    const principal = principalOf(c.env.incoming, door);
    return { desk: open(), owner: nameOf(principal) ?? '' };
  }

  function open(): BatchDesk {
    const opened = desk();
    if (opened === null) throw new GatewayError('unknown_url', NONE);
    return opened;
  }

  return {
    async create(c) {
      const { incoming } = c.env;
      try {
        const { desk: its, owner } = deskFor(c);
        if (incoming.headers['content-encoding'] !== undefined && incoming.headers['content-encoding'] !== 'identity') {
          throw new GatewayError(
            'unsupported_encoding',
            'Compressed request bodies are not accepted; send the body without Content-Encoding.',
          );
        }
        checkDeclaredLength(incoming, MOST_BYTES);
        checkJsonType(incoming.headers['content-type'] ?? '');
        const { value } = parseJsonBody(await readBody(incoming, MOST_BYTES, clock));
        const written = incoming.headers['idempotency-key'] as string | undefined;
        if (written === undefined) return c.json(batchObject(await its.create(value, owner)));
        const { row, isNew } = await its.createOnce(value, owner, idempotencyKeyOf(written));
        return c.json(batchObject(row), isNew ? {} : { headers: { 'idempotent-replayed': 'true' } });
      } catch (error) {
        discardBody(incoming);
        throw error;
      }
    },

    async list(c) {
      const { desk: its, owner } = deskFor(c);
      const page = pageAsked((name) => c.req.query(name), LIST);
      const listed = await its.list(owner, page);
      checkAfter(listed.isKnown, page.after);
      return c.json(listObject(listed, batchObject));
    },

    async show(c) {
      const { desk: its, owner } = deskFor(c);
      return c.json(batchObject(await its.find(c.req.param('id') ?? '', owner)));
    },

    async cancel(c) {
      // SDKs send none.
      discardBody(c.env.incoming);
      const { desk: its, owner } = deskFor(c);
      return c.json(batchObject(await its.cancel(c.req.param('id') ?? '', owner)));
    },

    async soFar(c) {
      const { desk: its, owner } = deskFor(c);
      const id = c.req.param('id') ?? '';
      const { status } = await its.find(id, owner);
      const after = c.req.query('after') ?? '';
      const side = c.req.query('errors') === 'true' ? 'err' : 'out';
      const written = journals === null ? [] : await its.journalsOf(id);
      const found = journals && (await linesSoFar(journals, id, written, side, after, SOME_BYTES));
      if (found === null) throw invalid("Invalid 'after': it is not what x-headgate-next said.", 'after');
      return new Response(Buffer.concat(found.lines), {
        headers: {
          ...{ 'content-type': 'application/jsonl', 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' },
          ...{ 'x-headgate-next': found.next, 'x-headgate-batch-status': status },
        },
      });
    },

    async all(c) {
      const page = pageAsked((name) => c.req.query(name), LIST);
      const its = open();
      const { rows, hasMore, isKnown } = await its.list(null, page);
      checkAfter(isKnown, page.after);
      const shown = rows.map(async (row) => {
        const waiting = hasEnded(row.status) ? new Map<string, number>() : await its.waiting(row.id);
        return operatorBatch(row, waiting, await its.inputName(row), clock.wall());
      });
      return c.json({ batches: await Promise.all(shown), has_more: hasMore } satisfies OperatorBatches);
    },
  };
}

const NONE = 'Batches are not run here: whoever runs this gateway can set batches.enabled, files.dir and database.url.';
