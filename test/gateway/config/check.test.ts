import { expect, test } from 'vitest';
import { checkCommand } from '../../../gateway/config/check.ts';
import { SettingsError } from '../../../gateway/config/schema/problems.ts';
import { load } from './loading.ts';

test('settings that load are valid, with their warnings', () => {
  expect(checkCommand(load({ file: '' }))).toEqual({ text: 'settings are valid (headgate.yaml)\n', exitCode: 0 });
  expect(checkCommand(load({ env: { HEADGATE_LOG_LEVEL: 'x' } }))).toEqual({
    text: 'warning: environment HEADGATE_LOG_LEVEL: is no setting; did you mean HEADGATE_LOG__LEVEL?\nsettings are valid (no settings file; defaults, environment and flags)\n',
    exitCode: 0,
  });
});

test('problems come a line each, with exit code 64', () => {
  const error = new SettingsError([
    { where: 'headgate.yaml:1:2', path: 'server.port', message: 'expected x' },
    { where: 'flag --port', path: 'server.port', message: 'expected y' },
    { where: 'environment HEADGATE_WORKERS', path: 'workers[0].url', message: 'expected z' },
  ]);
  expect(checkCommand(error)).toEqual({
    text: 'headgate.yaml:1:2: server.port: expected x\nflag --port: expected y\nenvironment HEADGATE_WORKERS: workers[0].url: expected z\n3 problems in the settings\n',
    exitCode: 64,
  });
});
