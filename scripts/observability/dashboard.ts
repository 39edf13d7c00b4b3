import type { Panel, PanelKind } from './panel.ts';

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** What a dashboard can be narrowed to. */
export interface Variable {
  readonly name: string;
  readonly label: string;
  /** Where Grafana finds its values. */
  readonly values: string;
}

export interface Board {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly variables: readonly Variable[];
  readonly rows: readonly Row[];
}

/** Grafana's grid is 24 wide. */
const WIDTH = 24;
const SIZES: Readonly<Record<PanelKind, { readonly w: number; readonly h: number }>> = {
  stat: { w: 4, h: 4 },
  timeseries: { w: 8, h: 8 },
  'state-timeline': { w: 12, h: 7 },
  heatmap: { w: 8, h: 8 },
  table: { w: 24, h: 6 },
};

const SCHEMA_VERSION = 41;
/** Nobody's own data source is written down: whoever opens a dashboard chooses one. */
const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

/** A dashboard as Grafana imports it: panels flow from left to right below the title of their row. */
export function dashboard({ uid, title, description, variables, rows }: Board) {
  const panels: object[] = [];
  let y = 0;
  for (const row of rows) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title: row.title,
      collapsed: false,
      gridPos: { x: 0, y, w: WIDTH, h: 1 },
      panels: [],
    });
    y += 1;
    let [x, height] = [0, 0];
    for (const panel of row.panels) {
      const { w, h } = SIZES[panel.kind];
      if (x + w > WIDTH) {
        y += height;
        [x, height] = [0, 0];
      }
      panels.push({ id: panels.length + 1, gridPos: { x, y, w, h }, ...drawn(panel) });
      x += w;
      height = Math.max(height, h);
    }
    y += height;
  }
  return {
    uid,
    title,
    description,
    tags: ['headgate'],
    schemaVersion: SCHEMA_VERSION,
    version: 1,
    editable: true,
    graphTooltip: 1,
    time: { from: 'now-1h', to: 'now' },
    refresh: '30s',
    timezone: 'browser',
    links: [
      {
        type: 'dashboards',
        title: 'Headgate',
        tags: ['headgate'],
        asDropdown: true,
        includeVars: true,
        keepTime: true,
        targetBlank: false,
      },
    ],
    annotations: { list: [] },
    templating: {
      list: [{ name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' }, ...variables.map(asVariable)],
    },
    panels,
  };
}

function asVariable({ name, label, values }: Variable) {
  return {
    name,
    label,
    type: 'query',
    datasource: DATASOURCE,
    query: { query: values, refId: name },
    definition: values,
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { text: ['All'], value: ['$__all'], selected: true },
  };
}

function drawn({ kind, title, description, unit, queries, stacked, limits, max, words }: Panel) {
  const targets = queries.map(({ expr, legend, exemplars }, index) => ({
    refId: String.fromCharCode(65 + index),
    datasource: DATASOURCE,
    editorMode: 'code',
    expr,
    legendFormat: legend,
    ...(kind === 'table' ? { format: 'table', instant: true } : { range: true }),
    ...(kind === 'heatmap' ? { format: 'heatmap' } : {}),
    ...(exemplars ? { exemplar: true } : {}),
  }));
  const steps = [
    { color: 'green', value: null },
    ...(limits
      ? [
          { color: 'yellow', value: limits[0] },
          { color: 'red', value: limits[1] },
        ]
      : []),
  ];
  const mappings = words ? [{ type: 'value', options: words }] : [];
  return {
    type: kind,
    title,
    description,
    datasource: DATASOURCE,
    targets,
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        ...(max === undefined ? {} : { max }),
        mappings,
        thresholds: { mode: 'absolute', steps },
        color: { mode: kind === 'timeseries' ? 'palette-classic' : 'thresholds' },
        ...(kind === 'timeseries' ? { custom: lineStyle(stacked ?? false, limits !== undefined) } : {}),
      },
      overrides: [],
    },
    options: OPTIONS[kind],
    ...(kind === 'table'
      ? { transformations: [{ id: 'organize', options: { excludeByName: { Time: true, Value: true, __name__: true } } }] }
      : {}),
  };
}

function lineStyle(stacked: boolean, limited: boolean) {
  return {
    drawStyle: 'line',
    lineWidth: 1,
    fillOpacity: stacked ? 25 : 5,
    showPoints: 'never',
    spanNulls: false,
    stacking: { mode: stacked ? 'normal' : 'none', group: 'A' },
    thresholdsStyle: { mode: limited ? 'dashed' : 'off' },
  };
}

const LEGEND = { showLegend: true, placement: 'bottom' };
const OPTIONS: Readonly<Record<PanelKind, object>> = {
  stat: { reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false }, colorMode: 'value', graphMode: 'area', textMode: 'auto' },
  timeseries: {
    legend: { ...LEGEND, displayMode: 'table', calcs: ['lastNotNull', 'max'] },
    tooltip: { mode: 'multi', sort: 'desc' },
  },
  'state-timeline': { legend: { ...LEGEND, displayMode: 'list' }, showValue: 'never', rowHeight: 0.8, mergeValues: true },
  heatmap: {
    calculate: false,
    cellGap: 1,
    color: { mode: 'scheme', scheme: 'Oranges', steps: 64, reverse: false },
    exemplars: { color: 'rgba(31,96,196,0.9)' },
    legend: { show: true },
    tooltip: { mode: 'single', yHistogram: true },
    yAxis: { axisPlacement: 'left', unit: 's' },
  },
  table: { showHeader: true, cellHeight: 'sm' },
};
