/** What a panel asks, and how the answer is called in its legend. */
export interface Query {
  readonly expr: string;
  readonly legend: string;
  /** Whether traces are shown on it: histograms whose buckets have exemplars. */
  readonly exemplars?: boolean;
}

export type PanelKind = 'stat' | 'timeseries' | 'state-timeline' | 'heatmap' | 'table';

/** A panel, but for its place. */
export interface Panel {
  readonly kind: PanelKind;
  readonly title: string;
  /** What it shows and what to make of it: the help behind its title. */
  readonly description: string;
  /** A unit of Grafana's: `s`, `bytes`, `percentunit`, `reqps`, `short`. */
  readonly unit: string;
  readonly queries: readonly Query[];
  readonly stacked?: boolean;
  /** Where it turns yellow, and red. */
  readonly limits?: readonly [warn: number, bad: number];
  readonly max?: number;
  /** What numbers are called. */
  readonly words?: Readonly<Record<number, { readonly text: string; readonly color: string }>>;
}

type Extra = Omit<Panel, 'kind' | 'title' | 'description' | 'unit' | 'queries'>;
type Shape = (title: string, unit: string, description: string, queries: readonly Query[], extra?: Extra) => Panel;

const shape =
  (kind: PanelKind): Shape =>
  (title, unit, description, queries, extra = {}) => ({ kind, title, unit, description, queries, ...extra });

export const stat = shape('stat');
export const lines = shape('timeseries');
export const states = shape('state-timeline');
export const heat = shape('heatmap');
export const table = shape('table');

export const query = (legend: string, expr: string): Query => ({ expr, legend });

/** Three quantiles of a histogram.. */
export function quantiles(histogram: string, selector: string, exemplars = false): Query[] {
  return [0.5, 0.95, 0.99].map((q) => ({
    expr: `histogram_quantile(${q}, sum by (le) (rate(${histogram}_bucket{${selector}}[$__rate_interval])))`,
    legend: `p${q * 100}`,
    exemplars: exemplars && q === 0.99,
  }));
}

/** How often something happens a second, by one of its labels. */
export const rateBy = (label: string, counter: string, selector: string): Query =>
  query(`{{${label}}}`, `sum by (${label}) (rate(${counter}{${selector}}[$__rate_interval]))`);

/** The same, by several. */
export const rateByAll = (labels: readonly string[], counter: string, selector: string): Query =>
  query(labels.map((label) => `{{${label}}}`).join(' '), `sum by (${labels.join(', ')}) (rate(${counter}{${selector}}[$__rate_interval]))`);

/** How often something happened within each hour, by labels. */
export const hourlyBy = (labels: readonly string[], counter: string, selector: string): Query =>
  query(labels.map((label) => `{{${label}}}`).join(' '), `sum by (${labels.join(', ')}) (increase(${counter}{${selector}}[1h]))`);
