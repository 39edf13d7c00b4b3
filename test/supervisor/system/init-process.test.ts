import { expect, test } from 'vitest';
import { unreaped } from '../../../supervisor/system/init-process.ts';

test.each(['node\0scripts/headgate.ts\0', '/usr/local/bin/node\0/app/main.js\0serve\0', 'npm start\0', '/opt/npm\0start\0'])(
  'where process 1 is %j an init is asked for: nobody reaps what an engine leaves behind',
  (commandLine) => expect(unreaped(commandLine)).toMatch(/docker run --init.*tini/),
);

test.each(['/sbin/init\0', 'tini\0--\0node\0x.js\0', '/usr/lib/systemd/systemd\0', '/pause\0', 'sh\0-c\0node x\0', '', null])(
  'where it is %j nothing is said',
  (commandLine) => expect(unreaped(commandLine)).toBeNull(),
);
