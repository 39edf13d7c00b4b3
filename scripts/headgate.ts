#!/usr/bin/env -S node --max-semi-space-size=16 --heap-growing-percent=100
// The flags keep a thousand streams under 250 MiB: less young garbage before it is collected, and old garbage when it has doubled.
// Nothing is imported before the check below: an older Node cannot even parse the rest.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 14)) {
  process.stderr.write(`headgate needs Node 24.14 or newer; this is ${process.version}.\n`);
  process.exitCode = 2;
} else {
  // What has been stripped of its types and compiled once is not compiled again: a third of the memory at the start, and half its time.
  (await import('node:module')).enableCompileCache();
  const { main } = await import('./commands/main.ts');
  process.exitCode = await main(process.argv.slice(2));
}

export {};
