import { parentPort, workerData } from 'node:worker_threads';
import { readKeysFile } from '../config/keys-file.ts';
import { problemText, toProblems } from '../config/schema/problems.ts';
import { systemInput } from '../config/system.ts';
import type { KeysAsked, KeysTold } from './read-in-thread.ts';

// A file of ten thousand keys takes a second to parse, in which no stream is to stand still.

const { file, cwd, inSettings } = workerData as KeysAsked;
const { keys, findings, warnings } = readKeysFile({ ...systemInput(), file, cwd }, inSettings);
const told: KeysTold =
  findings.length > 0 ? { kind: 'wrong', problems: toProblems(findings).map(problemText) } : { kind: 'keys', keys, warnings };
parentPort!.postMessage(told);
