import { writeFileSync } from 'node:fs';
import { SCHEMA_FILE, settingsJsonSchema } from './json-schema.ts';

// Run from anywhere after a change to the settings; a test fails until the file is up to date.
writeFileSync(new URL(`../../../${SCHEMA_FILE}`, import.meta.url), `${JSON.stringify(settingsJsonSchema(), null, 2)}\n`);
