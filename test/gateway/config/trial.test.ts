import { describe, expect, test } from 'vitest';
import { rememberFiles } from '../../../gateway/config/layers/remembered-files.ts';
import { loadSettings } from '../../../gateway/config/load.ts';
import type { Reading } from '../../../gateway/config/reload.ts';
import { readTrialOrder, type TrialOrder, Trials } from '../../../gateway/config/trial.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { inputOf } from './loading.ts';

function fails(): never {
  throw new Error('the disk is gone');
}

/** A gateway whose settings file can be edited, as far as its settings go. */
function house(file: string, argv: readonly string[] = [], examine?: Reading['examine']) {
  const state = { file, fails: false };
  const clock = createFakeClock();
  const files = rememberFiles((path) => (path === '/srv/headgate.yaml' ? Buffer.from(state.file) : null));
  const load: Reading['load'] = ({ tried, afresh } = { tried: [], afresh: true }) =>
    loadSettings({ ...inputOf({ argv }), readFile: afresh ? files.afresh() : files.remembered, fixed: tried });
  let loaded = load();
  files.keep();
  const trials = new Trials({ load: (by) => (state.fails ? fails() : load(by)), keep: files.keep, examine }, clock, (owner) =>
    obey({ kind: 'end', owner }),
  );
  const take = (read: ReturnType<Trials['reload']>) => {
    if (read.ok) loaded = read.loaded;
    return read;
  };
  const obey = (order: TrialOrder) => take(trials.obey(loaded, order));
  const wish = (settings: Record<string, unknown>, seconds = 60, owner = 'abtest') => obey({ kind: 'try', owner, settings, seconds });
  return {
    clock,
    trials,
    obey,
    wish,
    edit: (text: string) => (state.file = text),
    fail: (isOn: boolean) => (state.fails = isOn),
    reload: () => take(trials.reload(loaded)),
    now: () => loaded,
  };
}

describe('settings that are tried', () => {
  test('beat file and flags for as long as was said, and then nothing is left of them', async () => {
    const { clock, wish, now } = house('batch_window: { window_ms: 5, max_batch_size: 4 }', ['--window-ms', '7']);
    expect(wish({ 'batch_window.window_ms': 20 })).toMatchObject({ ok: true, changed: ['batch_window.window_ms'] });
    expect(now().settings.batch_window).toMatchObject({ window_ms: 20, max_batch_size: 4 });
    expect(now().origins.get('batch_window.window_ms')).toEqual({ kind: 'command', name: 'tried by abtest' });
    await clock.advance(59_999);
    expect(now().settings.batch_window.window_ms).toBe(20);
    await clock.advance(1);
    expect(now().settings.batch_window.window_ms).toBe(7);
    expect(now().origins.get('batch_window.window_ms')).toEqual({ kind: 'flag', name: '--window-ms' });
    expect(clock.pending).toBe(0);
  });

  test('replace what the same owner tried before, and last as long as they are asked for', async () => {
    const { clock, wish, obey, now } = house('');
    wish({ 'batch_window.window_ms': 20, 'admission.max_queue': 7 }, 10);
    await clock.advance(9_000);
    expect(wish({ 'batch_window.window_ms': 50 }, 10)).toMatchObject({
      ok: true,
      changed: ['batch_window.window_ms', 'admission.max_queue'],
    });
    await clock.advance(9_000);
    expect([now().settings.batch_window.window_ms, now().settings.admission.max_queue]).toEqual([50, 100]);
    expect(obey({ kind: 'end', owner: 'abtest' })).toMatchObject({ ok: true, changed: ['batch_window.window_ms'] });
    expect([now().settings.batch_window.window_ms, clock.pending]).toEqual([0, 0]);
  });

  test('are not laid over an edit that somebody is half through', () => {
    const { wish, edit, now, obey, reload } = house('admission: { max_queue: 5 }');
    edit('admission: { max_queue: [');
    expect(wish({ 'batch_window.window_ms': 20 }).ok).toBe(true);
    expect(now().settings.admission.max_queue).toBe(5);
    edit('admission: { max_queue: 6 }');
    obey({ kind: 'end', owner: 'abtest' });
    expect(now().settings.admission.max_queue).toBe(5);
    expect(reload()).toMatchObject({ ok: true, changed: ['admission.max_queue'] });
    expect(now().settings.admission.max_queue).toBe(6);
  });

  test('end also after an edit was refused, which is not what they are laid over', async () => {
    const { wish, edit, now, reload, clock } = house('admission: { max_queue: 5 }');
    wish({ 'batch_window.window_ms': 20 });
    edit('admission: { max_queue: [');
    expect(reload().ok).toBe(false);
    await clock.advance(60_000);
    expect([now().settings.batch_window.window_ms, now().settings.admission.max_queue, clock.pending]).toEqual([0, 5, 0]);
    expect(wish({ 'batch_window.window_ms': 50 }, 60, 'two').ok).toBe(true);
  });

  test('look at nothing that the settings name', async () => {
    const { wish, now, clock } = house('', [], () => [{ where: 'profiles', message: 'half an edit' } as never]);
    expect(wish({ 'batch_window.window_ms': 20 }).ok).toBe(true);
    await clock.advance(60_000);
    expect(now().settings.batch_window.window_ms).toBe(0);
  });

  test('that cannot be ended are held until they can', async () => {
    const { trials, wish, obey, clock, now, fail } = house('');
    wish({ 'batch_window.window_ms': 20 });
    fail(true);
    expect(obey({ kind: 'end', owner: 'abtest' }).ok).toBe(false);
    expect(clock.pending).toBe(1);
    await clock.advance(5_000);
    expect(now().settings.batch_window.window_ms).toBe(20);
    fail(false);
    await clock.advance(5_000);
    expect([now().settings.batch_window.window_ms, clock.pending]).toEqual([0, 0]);
    trials.close();
  });

  test('stay over a reload, which brings the rest', () => {
    const { wish, edit, now, reload } = house('');
    wish({ 'batch_window.window_ms': 20 });
    edit('batch_window: { window_ms: 50, max_batch_size: 3 }');
    expect(reload()).toMatchObject({ ok: true, changed: ['batch_window.max_batch_size'] });
    expect(now().settings.batch_window).toMatchObject({ window_ms: 20, max_batch_size: 3 });
  });

  test('of one keep those of another out, whose end changes nothing', () => {
    const { wish, obey, now } = house('');
    wish({ 'batch_window.window_ms': 20 }, 60, 'one');
    expect(wish({ 'batch_window.window_ms': 50 }, 60, 'two')).toMatchObject({
      ok: false,
      problems: [expect.stringContaining('one tries settings')],
    });
    expect(obey({ kind: 'end', owner: 'two' })).toMatchObject({ ok: true, changed: [] });
    expect(now().settings.batch_window.window_ms).toBe(20);
  });

  test.each([
    [{ 'auth.allow_anonymous': true }, 'auth.allow_anonymous cannot be tried'],
    [{ workers: [{ url: 'http://elsewhere' }] }, 'workers cannot be tried'],
    [{ 'admin.key': 'x' }, 'admin.key cannot be tried'],
    [{ 'supervisor.vllm_command': ['sh'] }, 'supervisor.vllm_command cannot be tried'],
    [{ 'server.max_body_bytes': 1 }, 'server.max_body_bytes cannot be tried'],
    [{ 'batch_window.window_ms': 5000 }, 'batch_window.window_ms'],
    [{ 'batch_window.windows_ms': 5 }, 'did you mean batch_window.window_ms?'],
    [{ batch_window: 5 }, 'batch_window'],
    [{ '__proto__.x': 1 }, '__proto__.x cannot be tried'],
    [{ 'batch_window.__proto__.x': 1 }, 'batch_window'],
  ])('%j is refused, and what holds goes on', (settings, problem) => {
    const { wish, now, clock } = house('');
    const before = now();
    const own = Object.fromEntries(Object.entries(settings));
    const read = wish(own);
    expect(read.ok).toBe(false);
    expect(!read.ok && read.problems.join('; ')).toContain(problem);
    expect([now(), clock.pending, ({} as { x?: number }).x]).toEqual([before, 0, undefined]);
  });

  test.each([0, -1, NaN, Infinity, 3_601])('not for %d seconds', (seconds) => {
    expect(house('').wish({ 'batch_window.window_ms': 5 }, seconds)).toMatchObject({
      ok: false,
      problems: [expect.stringContaining('between 0 and 3600 seconds')],
    });
  });
});

test.each([
  null,
  [],
  {},
  { owner: 5 },
  { owner: 'a'.repeat(65), settings: {}, seconds: 1 },
  { owner: 'a', settings: [] },
  { owner: 'a', settings: {} },
  { owner: 'a\nb', end: true },
  { owner: 'a', settings: {}, seconds: 3, end: 'yes' },
])('%j is no order', (body) => expect(readTrialOrder(body)).toBeTypeOf('string'));
