import { main } from './commands/main.ts';

// `npm run bench`: the command `headgate bench` of this checkout.
process.exitCode = await main(['bench', ...process.argv.slice(2)]);
