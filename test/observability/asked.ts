import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

// What dashboards and rules ask of Prometheus, as the files say that are handed out.

export const DEPLOY = fileURLToPath(new URL('../../deploy', import.meta.url));
export const RULES = join(DEPLOY, 'prometheus', 'rules');

/**
 * The one thing that `promtool check metrics` says, and may: this metric is named after its setting (batch_window.window_ms), and the name is
 * promised. It is there where a window is on; without one promtool has nothing to say.
 */
export const LINT_OF_THE_WINDOW = 'headgate_batch_window_ms metric names should not contain abbreviated units';

export interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly legendFormat: string;
  readonly exemplar?: boolean;
  readonly datasource: { readonly uid: string };
}

export interface DrawnPanel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly Target[];
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
}

export interface DrawnBoard {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly schemaVersion: number;
  readonly panels: readonly DrawnPanel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string; readonly definition?: string }[] };
}

export const rules: readonly Rule[] = readdirSync(RULES).flatMap((file) => {
  const { groups } = parse(readFileSync(join(RULES, file), 'utf8')) as { groups: readonly { rules: readonly Rule[] }[] };
  return groups.flatMap((group) => group.rules);
});

export const boards: readonly (readonly [name: string, board: DrawnBoard])[] = readdirSync(join(DEPLOY, 'grafana')).map((file) => [
  file,
  JSON.parse(readFileSync(join(DEPLOY, 'grafana', file), 'utf8')) as DrawnBoard,
]);

/** A query as Grafana sends it: every variable at All, and a span for its rates. */
export function filledIn(expr: string, rateInterval = '5m'): string {
  return expr.replaceAll('$__rate_interval', rateInterval).replaceAll(/"\$(job|instance|model|worker)"/g, '".*"');
}

/** Names of series that a query reads. Words of the language, labels and functions are not among them. */
export function namesIn(expr: string): string[] {
  const bare = expr
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
    .replaceAll(/\{[^}]*\}/g, '{}')
    .replaceAll(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ')
    .replaceAll(/\[[^\]]*\]/g, '');
  const words = bare.matchAll(/[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])/g);
  return [...new Set([...words].map(([word]) => word))].filter((word) => !LANGUAGE.has(word) && !/^e\d+$/.test(word));
}

const LANGUAGE = new Set(['and', 'or', 'unless', 'sum', 'max', 'min', 'count', 'avg', 'topk', 'bool', 'offset']);
