import type { Variable } from './dashboard.ts';

const BUILD = 'headgate_build_info';

export const JOB: Variable = { name: 'job', label: 'Job', values: `label_values(${BUILD}, job)` };
export const INSTANCE: Variable = { name: 'instance', label: 'Gateway', values: `label_values(${BUILD}{job=~"$job"}, instance)` };
export const MODEL: Variable = { name: 'model', label: 'Model', values: 'label_values(headgate_requests_total{job=~"$job"}, model)' };
export const WORKER: Variable = { name: 'worker', label: 'Worker', values: 'label_values(headgate_worker_ready{job=~"$job"}, worker)' };

/** Labels of what is of a gateway as a whole. */
export const OF_GATEWAY = 'job=~"$job",instance=~"$instance"';
export const OF_MODEL = `${OF_GATEWAY},model=~"$model"`;
export const OF_WORKER = `${OF_GATEWAY},worker=~"$worker"`;
/** What vLLM tells itself, which Prometheus reads from each worker. */
export const OF_ENGINE = 'model_name=~"$model"';
