import { readFileSync } from 'node:fs';

/**
 * How many files, connections among them, this process may have open; null where that is unknown or unlimited. Node has raised its soft
 * limit to the hard one before any code of ours runs, so this is all there is to be had without more rights.
 */
export function openFilesLimit(): number | null {
  return process.platform === 'linux' ? ofLimits(readFileSync('/proc/self/limits', 'utf8')) : ofReport(process.report.getReport());
}

/** The soft limit in /proc/self/limits. */
export function ofLimits(text: string): number | null {
  const soft = /^Max open files +(\d+) /m.exec(text)?.[1];
  return soft === undefined ? null : Number(soft);
}

function ofReport(report: object): number | null {
  const soft = (report as { userLimits?: { open_files?: { soft?: unknown } } }).userLimits?.open_files?.soft;
  return typeof soft === 'number' ? soft : null;
}
