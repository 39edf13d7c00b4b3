import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { profilesDirectory } from './profile.ts';
import { profileJsonSchemas } from './json-schema.ts';

// Run from anywhere after a change to the schemas; a test fails until the files are up to date.
for (const [file, schema] of Object.entries(profileJsonSchemas()))
  writeFileSync(join(profilesDirectory(), file), `${JSON.stringify(schema, null, 2)}\n`);
