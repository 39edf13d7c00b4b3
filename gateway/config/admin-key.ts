import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Settings } from './schema/settings.ts';
import { readUpTo } from './system.ts';

/** The key that /admin and /debug ask for. */
export type AdminKey =
  | { readonly kind: 'set'; readonly key: string }
  | {
      readonly kind: 'file';
      readonly key: string;
      readonly file: string;
      /** What is wrong with the file, with advice. */
      readonly warning: string | null;
    }
  /** There is none. `problem`: why, and what to do about it. */
  | { readonly kind: 'none'; readonly problem: string };

type KeySettings = Pick<Settings, 'admin' | 'supervisor'>;

const KEY = /^[\x21-\x7e]{16,512}$/;
const MOST_BYTES = 1_024;
const OWN = 'set a key of your own: HEADGATE_ADMIN__KEY';

/**
 * The key of a gateway: the one that is set, or that of the file admin.key in the state folder, which is made where there is none. Never
 * throws: a gateway without a key serves all the same, with /admin and /debug closed.
 */
export function adminKey(settings: KeySettings, cwd: string): AdminKey {
  const there = findAdminKey(settings, cwd);
  if (there !== null) return there;
  const file = adminKeyFile(settings, cwd);
  try {
    make(file);
    return read(file) ?? { kind: 'none', problem: `The admin key in ${file} was removed as soon as it was made.` };
  } catch (error) {
    const advice = `let supervisor.state_dir be a folder that this user can write to, or ${OWN}`;
    return { kind: 'none', problem: `No admin key could be made in ${file} (${codeOf(error)}): ${advice}.` };
  }
}

/** The key with which to ask a gateway that has these settings. null: none is set, and there is no file. Never throws. */
export function findAdminKey(settings: KeySettings, cwd: string): AdminKey | null {
  const { key } = settings.admin;
  return key === null ? read(adminKeyFile(settings, cwd)) : { kind: 'set', key };
}

/** Where a key is kept that is not set. */
export function adminKeyFile({ supervisor }: KeySettings, cwd: string): string {
  return join(resolve(cwd, supervisor.state_dir), 'admin.key');
}

/** Whole or not at all, and never over another: of gateways that start at once, all take what the first has made. @throws what the disk says */
function make(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const text = `${randomBytes(32).toString('base64url')}\n`;
  const draft = `${file}.${process.pid}.new`;
  rmSync(draft, { force: true });
  writeFileSync(draft, text, { mode: 0o600, flag: 'wx' });
  try {
    linkSync(draft, file);
  } catch (error) {
    // Not every file system has links.
    if (codeOf(error) !== 'EEXIST') writeFileSync(file, text, { mode: 0o600, flag: 'wx' });
  } finally {
    rmSync(draft, { force: true });
  }
}

function read(file: string): Exclude<AdminKey, { kind: 'set' }> | null {
  try {
    const bytes = readUpTo(file, MOST_BYTES);
    if (bytes === null) return null;
    const { uid, mode } = statSync(file);
    if (isStranger(uid, file)) {
      return { kind: 'none', problem: `${file} belongs to another user (${uid}), who knows the key in it: remove it, or ${OWN}.` };
    }
    const key = Buffer.from(bytes).toString('latin1').trim();
    if (!KEY.test(key)) {
      const advice = `remove it, and the next start makes one, or ${OWN}`;
      return { kind: 'none', problem: `${file} does not hold a key of 16 to 512 visible ASCII characters: ${advice}.` };
    }
    const isOpen = process.platform !== 'win32' && (mode & 0o027) !== 0;
    return { kind: 'file', key, file, warning: isOpen ? `Others on this machine can get at the admin key: chmod 600 ${file}` : null };
  } catch (error) {
    const code = codeOf(error);
    const advice = code === 'EACCES' ? 'run as the user who runs the gateway' : 'let supervisor.state_dir be a folder';
    return { kind: 'none', problem: `The admin key in ${file} cannot be read (${code}): ${advice}, or set HEADGATE_ADMIN__KEY.` };
  }
}

/** Where everybody may make files, somebody may have made this one first. The owner of the folder could exchange it anyway. */
function isStranger(uid: number, file: string): boolean {
  const self = process.getuid?.() ?? uid;
  return uid !== 0 && uid !== self && uid !== statSync(dirname(file)).uid;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
