import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BOARDS, metricsPage } from './files.ts';

// Writes what deploy/ has of metrics and dashboards. A test holds it against the tables that it is made from.

const DEPLOY = new URL('../../deploy/', import.meta.url);

for (const [name, board] of Object.entries(BOARDS)) writeFileSync(new URL(`grafana/${name}.json`, DEPLOY), JSON.stringify(board, null, 2));
writeFileSync(new URL('metrics.md', DEPLOY), metricsPage(fileURLToPath(new URL('prometheus/rules', DEPLOY))));
