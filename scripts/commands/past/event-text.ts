import { type HistoryEntry, textOf } from '../../../gateway/core/history/entry.ts';
import { sentence } from '../../../gateway/core/history/sentence.ts';
import { plainText } from '../../../gateway/core/secrets/plain-text.ts';

const SECONDS_END = 'YYYY-MM-DDThh:mm:ss'.length;

/** One entry of the history for a person: its time, who tells it, and what; advice on a line of its own. */
export function eventText(entry: HistoryEntry): string {
  const advice = textOf(entry, 'advice');
  const head = `${entry.at.slice(0, SECONDS_END)}Z  ${entry.by.padEnd('supervisor'.length)}  ${plainText(sentence(entry))}`;
  return advice === null || advice === '' ? `${head}\n` : `${head}\n${' '.repeat(SECONDS_END + 3)}→ ${plainText(advice)}\n`;
}
