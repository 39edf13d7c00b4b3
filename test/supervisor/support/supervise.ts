// Runs a supervisor as a process of its own. usage: supervise.ts SETTINGS-JSON (in the folder it is to run in)
import process from 'node:process';
import { settingsSchema } from '../../../gateway/config/schema/settings.ts';
import { runSupervisor } from '../../../supervisor/main.ts';

const settings = settingsSchema.parse(JSON.parse(process.argv[2] ?? '{}'));
process.exitCode = await runSupervisor(settings, { cwd: process.cwd(), env: process.env, stdout: process.stdout });
