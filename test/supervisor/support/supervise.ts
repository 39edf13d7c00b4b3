// Runs a supervisor as a process of its own. usage: supervise.ts SETTINGS-JSON [POLICY-JSON] (in the folder it is to run in)
import process from 'node:process';
import { systemClock } from '../../../gateway/core/clock.ts';
import { createLog } from '../../../gateway/core/log/log.ts';
import { settingsSchema } from '../../../gateway/config/schema/settings.ts';
import { runSupervisor } from '../../../supervisor/main.ts';

const settings = settingsSchema.parse(JSON.parse(process.argv[2] ?? '{}'));
const policy = JSON.parse(process.argv[3] ?? '{}');
const log = createLog({ level: 'info', format: 'json', clock: systemClock, promptly: true });
process.exitCode = await runSupervisor(settings, { cwd: process.cwd(), env: process.env, log, policy });
