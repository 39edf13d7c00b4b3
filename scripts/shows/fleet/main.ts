import { say } from '../scene.ts';
import { showKill } from './kill.ts';
import { showBursts, showOneSided } from './load.ts';
import { Members, whyNot } from './members.ts';

// `npm run show:fleet [seed] [seconds] [processes]`: three gateways in front of two workers never send them much more than they have places
// for, leave nearly all of it to one that has all the load, and take over what one of them had that is killed.
const [seed = 1, seconds = 30, processes = 1] = process.argv.slice(2).map(Number);
const wrong: string[] = [];

const missing = whyNot();
if (missing === null) {
  await using members = await Members.start(true, processes);
  say(`Three gateways that meet in a store, seed ${seed}. Bursts for ${seconds} s:`);
  wrong.push(...(await showBursts(members, seed, seconds)));
  say('All load at one of them:');
  wrong.push(...(await showOneSided(members, seconds / 2)));
  say('One of three is killed under load (kill -9):');
  wrong.push(...(await showKill(members, processes)));
} else say(`Not shown, three gateways that meet in a store: ${missing}.`);
{
  await using members = await Members.start(false, processes);
  say(`Three gateways that only know that they are three. Bursts for ${seconds} s:`);
  wrong.push(...(await showBursts(members, seed, seconds)));
  say('All load at one of them:');
  wrong.push(...(await showOneSided(members, seconds / 2)));
}
for (const fault of wrong) say(`NOT AS IT SHOULD BE: ${fault}`);
if (wrong.length === 0) say('All is as it should be.');
process.exitCode = wrong.length === 0 && missing === null ? 0 : 1;
