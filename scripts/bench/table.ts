/** Rows as a Markdown table; the first is its head. */
export function tableText([head = [], ...rows]: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |\n`;
  return `${line(head)}|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|\n${rows.map(line).join('')}`;
}
