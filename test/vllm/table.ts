import type { Found } from './compare.ts';

const NAMES_SHOWN = 4;

/** What was found, grouped by kind, the most frequent first, each group with an example. */
export function differenceTable(found: readonly Found[], verbose: boolean): string {
  const groups = [...Map.groupBy(found, ({ pair, group }) => `${pair}: ${group}`)].toSorted(([, a], [, b]) => b.length - a.length);
  return groups.map(([title, members]) => groupText(title, members, verbose)).join('\n');
}

function groupText(title: string, members: readonly Found[], verbose: boolean): string {
  const names = [...new Set(members.map((member) => member.case))];
  const shown = verbose ? names : names.slice(0, NAMES_SHOWN);
  const more = names.length > shown.length ? `, and ${names.length - shown.length} more` : '';
  const lines = [`${String(names.length).padStart(4)}  ${title}`, `      ${shown.join(', ')}${more}`];
  const examples = verbose ? members : members.slice(0, 1);
  for (const { expected, actual, case: name } of examples) {
    const clip = (text: string): string => (verbose || text.length <= 220 ? text : `${text.slice(0, 220)}…`);
    lines.push(
      `      ${verbose ? `${name}: ` : ''}expected ${clip(expected)}`,
      `      ${verbose ? `${name}: ` : ''}     got ${clip(actual)}`,
    );
  }
  return lines.join('\n');
}
