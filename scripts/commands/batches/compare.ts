import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as inFolder } from 'node:path';
import type { BatchObject } from '../../../gateway/batches/batch-object.ts';
import { hasEnded } from '../../../gateway/batches/life.ts';
import { type Disagreement, join, type Joined } from './compare/join.ts';
import { PAGE_END, pageHead, pageRow } from './compare/report-html.ts';
import { besides, summaryText } from './compare/report-text.ts';
import { lineAt, readSide } from './compare/side.ts';
import type { SideReport } from './compare/tally.ts';
import { type BatchContext, failed, note } from './context.ts';
import { saveTo } from './results.ts';
import { askApi } from './stored-api.ts';

const SHOWN = 20;

/** `text`: for a terminal. */
export type CompareForm = { readonly kind: 'text' } | { readonly kind: 'json' } | { readonly kind: 'html'; readonly file: string };

/** `headgate batch compare A B`: two batches that have ended, or files of results, line by line by custom_id. */
export async function compare(context: BatchContext, names: readonly [string, string], form: CompareForm): Promise<number> {
  const folder = await mkdtemp(inFolder(tmpdir(), 'headgate-compare-'));
  try {
    const [ofA, ofB] = [await filesOf(context, names[0], inFolder(folder, 'a')), await filesOf(context, names[1], inFolder(folder, 'b'))];
    const [a, b] = [await readSide(names[0], ofA), await readSide(names[1], ofB)];
    const joined = join(a, b);
    await report(context, [a.tally.report(a.name), b.tally.report(b.name)], joined, form);
    return 0;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return failed(context, error.message);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A file that is there is meant; else a batch, whose files are fetched. @throws Error that says what is wrong */
async function filesOf(context: BatchContext, name: string, prefix: string): Promise<string[]> {
  const found = await stat(name).catch(() => null);
  if (found !== null) return found.isFile() ? [name] : wrong(`${name} is no file.`);
  if (!name.startsWith('batch_')) return wrong(`There is no file ${name}, and it is no id of a batch (batch_…).`);
  const api = await context.api();
  const told = await askApi<BatchObject>(api, 'GET', `/v1/batches/${encodeURIComponent(name)}`);
  if (told.kind === 'failed') return wrong(told.message);
  const { status, output_file_id: output, error_file_id: errors } = told.body;
  if (!hasEnded(status)) return wrong(`${name} has not ended (${status}).`);
  const ids = [output, errors].filter((id) => id !== null);
  if (ids.length === 0) return wrong(`${name} (${status}) has no results.`);
  const files: string[] = [];
  for (const id of ids) {
    const file = `${prefix}-${files.length}`;
    const saved = await saveTo(file, api, id);
    if (saved.kind === 'failed') return wrong(saved.message);
    files.push(file);
  }
  return files;
}

function wrong(message: string): never {
  throw new Error(message);
}

async function report(context: BatchContext, sides: readonly [SideReport, SideReport], joined: Joined, form: CompareForm): Promise<void> {
  const { out } = context;
  if (form.kind === 'json') {
    const disagreements = joined.disagreements.map(({ customId, verdict }) => ({ custom_id: customId, verdict }));
    out.write(`${JSON.stringify({ a: sides[0], b: sides[1], compared: joined.counts, disagreements })}\n`);
    return;
  }
  out.write(summaryText(...sides, joined));
  if (form.kind === 'html') {
    await using page = await open(form.file, 'w');
    await page.appendFile(pageHead(...sides, joined));
    for (const each of joined.disagreements) await page.appendFile(pageRow(each, ...(await textsOf(each))));
    await page.appendFile(PAGE_END);
    note(context, `every disagreement is in ${form.file}`);
    return;
  }
  const shown = joined.disagreements.slice(0, SHOWN);
  if (shown.length === 0) return;
  out.write(`\nWhere they disagree${shown.length < joined.disagreements.length ? ` (the first ${SHOWN}; --html FILE has all)` : ''}:\n`);
  for (const each of shown) out.write(`${besides(each.customId, ...(await textsOf(each)), context.columns())}\n`);
}

async function textsOf({ a, b }: Disagreement): Promise<[string, string]> {
  const [one, other] = [await lineAt(a), await lineAt(b)];
  return [one?.text ?? '', other?.text ?? ''];
}
