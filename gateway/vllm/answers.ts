import { z } from 'zod';
import type { ServedModel } from '../core/worker.ts';

const text = z.string().nullable().catch(null);
const modelCard = z.object({ id: z.string().min(1), root: text, parent: text, max_model_len: z.number().nullable().catch(null) });
const modelList = z.object({ data: z.array(modelCard.nullable().catch(null)) });
const versionPage = z.object({ version: z.string() });
const loadPage = z.object({ server_load: z.number() });
const sleepPage = z.object({ is_sleeping: z.boolean() });
const pausePage = z.object({ is_paused: z.boolean() });
const items = z.array(z.unknown()).nullish();
const generatedAnswer = z.object({ choices: items, data: items });

/** What GET /v1/models lists: none where the page is no such list. Entries without an id are left out. */
export function readModels(page: string): readonly ServedModel[] {
  const cards = read(modelList, page)?.data ?? [];
  return cards.flatMap((card) => (card ? [{ id: card.id, root: card.root, parent: card.parent, maxModelLen: card.max_model_len }] : []));
}

/** What GET /version says; null where the page says nothing. */
export function readVersion(page: string): string | null {
  return read(versionPage, page)?.version ?? null;
}

/** What GET /load says: requests in hand, 0 where vLLM counts less (it miscounts some whose clients leave); null where the page says nothing. */
export function readLoad(page: string): number | null {
  const said = read(loadPage, page);
  return said && Math.max(0, said.server_load);
}

/** What GET /is_sleeping says; null where the page says nothing. */
export function readSleeping(page: string): boolean | null {
  return read(sleepPage, page)?.is_sleeping ?? null;
}

/** What GET /is_paused says; null where the page says nothing. */
export function readPaused(page: string): boolean | null {
  return read(pausePage, page)?.is_paused ?? null;
}

/** Whether an answer holds what was generated: text in `choices`, or vectors, classes or scores in `data`. */
export function hasGenerated(answer: string): boolean {
  const said = read(generatedAnswer, answer);
  return ((said?.choices ?? said?.data)?.length ?? 0) > 0;
}

function read<T>(shape: z.ZodType<T>, page: string): T | null {
  try {
    return shape.safeParse(JSON.parse(page)).data ?? null;
  } catch {
    return null;
  }
}
