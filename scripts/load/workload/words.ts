import type { Uniform } from './seeded.ts';

/** Short words that most tokenizers have a token of their own for: so many words are nearly so many tokens, and usage tells how many. */
const WORDS =
  'the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which one you were all her she there would their we him been has when who will no more if out so up said what its about than into them can only other time new some could these two may first then do any like my now over such our man me even most made after also well where many before must through back years much your way down should because long each just state people those too mr how little good world make very year still see own work men day get here old life both between being under three never know same last another while us off might great go come since against right came take used himself few house use place during high without again home around small however found'.split(
    ' ',
  );

/** A text of `count` words of chance. */
export function wordsOfChance(count: number, uniform: Uniform): string {
  const words = Array.from({ length: count }, () => WORDS[Math.floor(uniform() * WORDS.length)]);
  return words.join(' ');
}
