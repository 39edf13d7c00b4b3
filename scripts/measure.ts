import { readdirSync, readFileSync } from 'node:fs';

/** Run time of every thread of a process so far, in microseconds: the scheduler's own account. @throws when there is no such process */
export function cpuUs(pid: number): number {
  let nanoseconds = 0;
  for (const task of readdirSync(`/proc/${pid}/task`))
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
  return nanoseconds / 1000;
}

/** What a process holds of main memory, in MiB. `peak`: the most that it ever held. @throws when there is no such process */
export function memoryMib(pid: number, which: 'now' | 'peak'): number {
  const field = which === 'peak' ? /VmHWM:\s+(\d+)/ : /VmRSS:\s+(\d+)/;
  return Math.round(Number(field.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024);
}

/** Prints rows as a Markdown table; the first is its head. */
export function printTable([head = [], ...rows]: readonly (readonly string[])[]): void {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const print = (cells: readonly string[], fill: string) =>
    console.log(`| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width, fill)).join(' | ')} |`);
  print(head, ' ');
  console.log(`|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`);
  for (const row of rows) print(row, ' ');
}
