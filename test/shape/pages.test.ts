import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { SETTINGS_FLAGS } from '../../gateway/config/layers/flags.ts';
import { loadSettings } from '../../gateway/config/load.ts';
import { RELAYED_ROUTES } from '../../gateway/http/routes.ts';
import { COMMANDS } from '../../scripts/commands/table.ts';

// What the pages say can be done can be done as it stands there.

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGES = [
  ...['README.md', 'CONTRIBUTING.md', 'gateway/README.md', 'supervisor/README.md', 'profiles/README.md', 'deploy/README.md'],
  ...readdirSync(join(ROOT, 'deploy/runbooks')).map((name) => `deploy/runbooks/${name}`),
];
const text = (page: string): string => readFileSync(join(ROOT, page), 'utf8');

/** Fenced blocks of a language. */
function blocks(page: string, language: string): string[] {
  return [...text(page).matchAll(/^```(\w*)\n([^]*?)^```$/gm)].filter(([, of]) => of === language).map(([, , block]) => block!);
}

/** How a heading is called in a link, as forges do it. */
const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');

describe.each(PAGES)('%s', (page) => {
  test('links to what is there', () => {
    const links = [...text(page).matchAll(/\]\((?!https?:)([^)]+)\)/g)].map(([, to]) => to!);
    for (const link of links) {
      const [path, heading] = link.split('#') as [string, string?];
      const target = path === '' ? page : join(dirname(page), path);
      expect(existsSync(join(ROOT, target)), link).toBe(true);
      if (heading === undefined) continue;
      const headings = [...text(target).matchAll(/^#+ (.*)$/gm)].map(([, of]) => anchor(of!));
      expect(headings, link).toContain(heading);
    }
  });

  test('shows settings that load', () => {
    for (const block of blocks(page, 'yaml')) {
      if (!block.startsWith('# headgate.yaml')) continue;
      const env = Object.fromEntries([...block.matchAll(/\$\{(\w+)\}/g)].map(([, name]) => [name!, 'a-value-for-the-test']));
      const readFile = (path: string) => (path === '/srv/headgate.yaml' ? Buffer.from(block) : null);
      expect(() => loadSettings({ env, cwd: '/srv', readFile }), block).not.toThrow();
    }
  });

  test('names commands that there are, with flags that they take', () => {
    const spans = [...text(page).matchAll(/`((?:\.\/)?headgate [^`\n]+)`/g)].map(([, command]) => command!);
    const lines = blocks(page, 'sh').flatMap((block) => block.split('\n').filter((line) => /^(?:\.\/)?headgate /.test(line)));
    for (const command of [...spans, ...lines]) {
      const words = command
        .replace(/\s#.*$/, '')
        .split(/\s+/)
        .slice(1);
      const named = /^[a-z]/.test(words[0]!) ? COMMANDS.find(({ name }) => name === words[0]) : COMMANDS[0];
      if (words[0] === 'help' || words[0] === '…') continue;
      expect(named, command).toBeDefined();
      if (named!.ownHelp) continue;
      const own = named!.flags.map(([flag]) => flag.split(' ', 1)[0]);
      // What comes after -- is another program's.
      const flags = words.slice(0, words.includes('--') ? words.indexOf('--') : words.length);
      for (const word of flags.filter((each) => each.startsWith('--'))) {
        expect([...own, ...SETTINGS_FLAGS.map(({ name }) => `--${name}`)], command).toContain(word.split('=', 1)[0]);
      }
    }
  });
});

test('README.md lists every route that is relayed', () => {
  const readme = text('README.md');
  expect(RELAYED_ROUTES.map(({ path }) => path).filter((path) => !readme.includes(`\`${path}\``))).toEqual([]);
});

test('the units start the command where the README has its place put in', () => {
  const [, replaced] = /sed -i "s\|([^|]+)\|\$\(command -v headgate\)\|"/.exec(text('README.md'))!;
  for (const unit of ['headgate-gateway', 'headgate-supervisor'])
    expect(text(`deploy/systemd/${unit}.service`)).toMatch(new RegExp(`^ExecStart=${replaced} `, 'm'));
});
