import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Why none can be made here; null: one can. */
export function whyNoCertificate(): string | null {
  return spawnSync('openssl', ['version']).status === 0 ? null : 'no openssl on the PATH';
}

/** A certificate that nobody vouches for, of another name. */
export async function badCertificate(): Promise<{ readonly key: string; readonly cert: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-chaos-tls-'));
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const words = 'req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=elsewhere.test'.split(' ');
    await promisify(execFile)('openssl', [...words, '-keyout', key, '-out', cert]);
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
