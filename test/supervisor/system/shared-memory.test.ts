import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { mappedSegments, unlinkSegments, unlinkUnused } from '../../../supervisor/system/shared-memory.ts';

/** It maps a segment as Python's shared memory does, and one under a name of its own. */
const MAPS = `
import mmap, sys
for name in sys.argv[1:]:
    with open('/dev/shm/' + name, 'r+b') as file:
        globals()[name] = mmap.mmap(file.fileno(), 4096)
print('mapped', flush=True)
sys.stdin.read()
`;

const able = existsSync('/dev/shm') && spawnSync('python3', ['-c', 'import mmap']).status === 0;

test.skipIf(!able)('the shared memory that a process has mapped under a name made up for it is known, and goes', async () => {
  const [own, other] = [`psm_${process.pid.toString(16).padStart(8, '0')}`, `headgate-test-${process.pid}`];
  for (const name of [own, other]) writeFileSync(`/dev/shm/${name}`, Buffer.alloc(4096));
  const child = spawn('python3', ['-c', MAPS, own, other], { stdio: ['pipe', 'pipe', 'inherit'] });
  const mapped = new Promise((done) => child.stdout.once('data', done));
  try {
    await mapped;
    expect(mappedSegments([child.pid!])).toEqual(new Set([own]));
    const ended = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await ended;
    unlinkSegments([own, 'psm_never_there']);
    expect([existsSync(`/dev/shm/${own}`), existsSync(`/dev/shm/${other}`)]).toEqual([false, true]);
    expect(mappedSegments([child.pid!])).toEqual(new Set());
  } finally {
    child.kill('SIGKILL');
    unlinkSegments([own, other]);
  }
});

test.skipIf(!able)('of names on record only those go that no living process has mapped, and nothing that is no such name', async () => {
  const number = (process.pid % 0x1000000).toString(16).padStart(6, '0');
  const [used, unused, foreign] = [`psm_aa${number}`, `psm_bb${number}`, `headgate-test-${process.pid}`];
  const folder = `/dev/shm/headgate-test-${process.pid}.d`;
  mkdirSync(folder);
  for (const path of [used, unused, foreign].map((name) => `/dev/shm/${name}`).concat(`${folder}/psm_cc`))
    writeFileSync(path, Buffer.alloc(4096));
  const child = spawn('python3', ['-c', MAPS, used], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    await new Promise((done) => child.stdout.once('data', done));
    unlinkUnused([used, unused, foreign, `headgate-test-${process.pid}.d/psm_cc`, `../dev/shm/${foreign}`]);
    const left = [`/dev/shm/${used}`, `/dev/shm/${unused}`, `/dev/shm/${foreign}`, `${folder}/psm_cc`].map((path) => existsSync(path));
    expect(left).toEqual([true, false, true, true]);
  } finally {
    child.kill('SIGKILL');
    unlinkSegments([used, unused, foreign]);
    rmSync(folder, { recursive: true });
  }
});
