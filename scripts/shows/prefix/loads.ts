import { exponential } from './chance.ts';
import { seededFor, type Uniform } from '../../load/workload/seeded.ts';
import { wordsOfChance } from '../../load/workload/words.ts';

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** One call and those that follow from its answer. */
export interface Turn {
  /** Which calls it is compared with. */
  readonly kind: string;
  readonly messages: readonly Message[];
  /** What it is answered with. */
  readonly answer: string;
  /** What the client asks once it has the answer, and after how long; null: it has what it wanted. */
  readonly next: ((answered: readonly Message[]) => { readonly afterMs: number; readonly turn: Turn }) | null;
}

export interface Arrival {
  readonly atMs: number;
  readonly turn: Turn;
}

export interface Load {
  readonly name: string;
  readonly idea: string;
  readonly workers: number;
  /** The card and the model, by the names that the simulated engine knows. */
  readonly gpu: string;
  readonly model: string;
  readonly seats: number;
  /** Tokens that a worker's cache holds. */
  readonly kvTokens: number;
  /** Its calls, the same for the same seed whoever asks. */
  readonly arrivals: (seed: number) => readonly Arrival[];
}

/** Calls by a Poisson process. */
function poisson(perSecond: number, seconds: number, uniform: Uniform, turnOf: (index: number) => Turn): Arrival[] {
  const all: Arrival[] = [];
  for (let at = exponential(uniform, 1000 / perSecond); at < seconds * 1000; at += exponential(uniform, 1000 / perSecond))
    all.push({ atMs: at, turn: turnOf(all.length) });
  return all;
}

function single(kind: string, text: string, answerTokens: number, uniform: Uniform): Turn {
  return { kind, messages: [{ role: 'user', content: text }], answer: wordsOfChance(answerTokens, uniform), next: null };
}

interface Agents {
  readonly groups: number;
  /** Conversations that begin in a second. */
  readonly perSecond: number;
  readonly seconds: number;
  readonly systemTokens: number;
  readonly turns: number;
  /** Of what each turn brings, and of each answer. */
  readonly askTokens: number;
  readonly answerTokens: number;
  readonly pauseMs: number;
}

/** Agents: each begins with its group's instructions, and asks again with all that was said before, a few moments after each answer. */
function agents(plan: Agents, seed: number): Arrival[] {
  const system = Array.from({ length: plan.groups }, (_, group) => wordsOfChance(plan.systemTokens, seededFor(seed, group, 'prefixes')));
  const lengths = seededFor(seed, 0, 'lengths');
  return poisson(plan.perSecond, plan.seconds, seededFor(seed, 0, 'arrivals'), (index) => {
    const uniform = seededFor(seed, index, 'words');
    const group = Math.floor(lengths() * plan.groups);
    const turns = 1 + Math.floor(lengths() * (2 * plan.turns - 1));
    const length = (mean: number): number => Math.max(8, Math.round(mean * (0.5 + uniform())));
    const turnAfter = (before: readonly Message[], count: number): Turn => {
      const messages: Message[] = [...before, { role: 'user', content: wordsOfChance(length(plan.askTokens), uniform) }];
      const answer = wordsOfChance(length(plan.answerTokens), uniform);
      const afterMs = exponential(uniform, plan.pauseMs);
      const next = count >= turns ? null : (answered: readonly Message[]) => ({ afterMs, turn: turnAfter(answered, count + 1) });
      return { kind: count === 1 ? 'first turns' : 'later turns', messages, answer, next };
    };
    return turnAfter([{ role: 'system', content: system[group]! }], 1);
  });
}

/** The kinds of load that decide whether it pays to look at how prompts begin. */
export const LOADS: readonly Load[] = [
  {
    name: 'agents',
    idea: '12 groups of agents with 1,500 tokens of instructions each, conversations of 5 turns on average that grow to some 5,000 tokens',
    workers: 4,
    ...{ gpu: 'l4', model: 'mistral-7b-instruct', seats: 16, kvTokens: 45_000 },
    arrivals: (seed) =>
      agents(
        { groups: 12, perSecond: 0.75, seconds: 240, systemTokens: 1_500, turns: 5, askTokens: 500, answerTokens: 80, pauseMs: 4_000 },
        seed,
      ),
  },
  {
    name: 'hot',
    idea: 'all prompts begin with the same 3,000 tokens, and 300 of their own follow',
    workers: 4,
    ...{ gpu: 'l4', model: 'mistral-7b-instruct', seats: 16, kvTokens: 45_000 },
    arrivals(seed) {
      const hot = wordsOfChance(3_000, seededFor(seed, 0, 'prefixes'));
      return poisson(3.5, 240, seededFor(seed, 0, 'arrivals'), (index) => {
        const uniform = seededFor(seed, index, 'words');
        return single('all', `${hot} ${wordsOfChance(300, uniform)}`, 60 + Math.floor(uniform() * 80), uniform);
      });
    },
  },
  {
    name: 'nothing',
    idea: 'no two prompts begin alike: 200 to 2,800 tokens',
    workers: 4,
    ...{ gpu: 'l4', model: 'mistral-7b-instruct', seats: 16, kvTokens: 45_000 },
    arrivals: (seed) =>
      poisson(3, 240, seededFor(seed, 0, 'arrivals'), (index) => {
        const uniform = seededFor(seed, index, 'words');
        return single('all', wordsOfChance(200 + Math.floor(uniform() * 2_600), uniform), 30 + Math.floor(uniform() * 140), uniform);
      }),
  },
  {
    name: 'quarter',
    idea: '26 % of 9,800 tokens are the same in all prompts, 3 calls a second at 2 workers (SGLang issue 21199)',
    workers: 2,
    ...{ gpu: 'h100', model: 'meta-llama/Llama-3.1-8B-Instruct', seats: 64, kvTokens: 400_000 },
    arrivals(seed) {
      const shared = wordsOfChance(2_548, seededFor(seed, 0, 'prefixes'));
      return poisson(3, 240, seededFor(seed, 0, 'arrivals'), (index) => {
        const uniform = seededFor(seed, index, 'words');
        return single('all', `${shared} ${wordsOfChance(7_252, uniform)}`, 60 + Math.floor(uniform() * 80), uniform);
      });
    },
  },
];
