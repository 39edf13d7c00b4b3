import type { WorkerView } from '../core/worker.ts';
import type { SupervisedModel, SupervisorSnapshot } from '../link/snapshot.ts';
import { DEGRADATION, FAILURE, FIT } from './common-rules.ts';
import type { Rule } from './veil/rule.ts';
import type { RuleOf } from './veil/rule-of.ts';

const MODEL = {
  id: 'model',
  source: 'model',
  capabilities: ['word'],
  maxModelLen: 'plain',
  fit: FIT,
  state: 'word',
  loadable: 'plain',
  etaSeconds: 'plain',
  reason: 'text',
  asleep: 'plain',
} as const satisfies RuleOf<Omit<SupervisedModel, 'aliases'>>;

type InStatus =
  | 'url'
  | 'apiPath'
  | 'models'
  | 'pid'
  | 'port'
  | 'startedAtMs'
  | 'etaSeconds'
  | 'percent'
  | 'profile'
  | 'gpus'
  | 'logFile'
  | 'source'
  | 'uid';
const WORKER = {
  id: 'worker',
  state: 'word',
  stage: 'word',
  maxNumSeqs: 'plain',
  scheduling: 'word',
  group: 'name',
  restarts: 'plain',
  degradation: [DEGRADATION],
  refuses: ['word'],
  lastFailure: FAILURE,
  engine: 'word',
  gateway: 'name',
  engineVersion: 'word',
  args: 'args',
  lent: { untilMs: 'plain' },
} as const satisfies RuleOf<Omit<WorkerView, InStatus>>;

/** Of what the supervisor said last, beside what the status has of it. */
export const SNAPSHOT_RULE = {
  revision: 'plain',
  pid: 'plain',
  version: 'word',
  engine: 'word',
  engineReason: 'text',
  vllmVersion: 'word',
  profile: 'model',
  tuning: 'model',
  models: [MODEL],
  workers: [WORKER],
} as const satisfies Record<keyof Omit<SupervisorSnapshot, 'gpus' | 'swaps' | 'leases' | 'settingsMark'>, Rule>;
