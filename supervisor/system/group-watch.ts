import { readFileSync } from 'node:fs';
import type { Clock, Timer } from '../../gateway/core/clock.ts';
import { repeat } from '../../gateway/core/clock.ts';
import { listProcesses } from './processes.ts';
import { mappedSegments } from './shared-memory.ts';

/** Of a process group the first member that was gone. */
export interface Gone {
  /** The kernel's name of it, of 15 characters at most. */
  readonly name: string;
  readonly pid: number;
  /** null where its parent had taken it away before it was looked at. */
  readonly exit: { readonly code: number | null; readonly signal: string | null } | null;
}

interface Member {
  readonly pid: number;
  readonly name: string;
  readonly startTicks: number;
  readonly parent: number;
}

/** How often the members that are known are looked at: one small file each. */
const LOOK_MS = 100;
/** How many of these looks go by before new members are looked for, which means reading all of /proc: while it is young, and later. */
const LOOKS_A_SCAN = { young: 10, grown: 300 };
const YOUNG_LOOKS = 3000;
/** A member that went so long before the leader did has nothing to do with it. */
const STORY_MS = 120_000;

/**
 * Sees which of an engine's processes ends first, and how. They are children of our child, so that no signal tells of their end; what their
 * parent prints of it is often wrong. Compilers and other helpers come and go: only members whose name `counts` are watched. Where there is
 * no /proc it sees nothing.
 */
export class GroupWatch {
  readonly #clock: Clock;
  readonly #leader: number;
  readonly #counts: (name: string) => boolean;
  readonly #onGone: () => void;
  readonly #timer: Timer;
  #members: readonly Member[] = [];
  #looks = 0;
  /** Names of the shared memory that any of them has mapped. */
  readonly #segments = new Set<string>();
  #gone: (Gone & { readonly atMs: number }) | null = null;

  /** `onGone`: a member that counts has gone while the leader lives. */
  constructor(clock: Clock, leader: number, counts: (name: string) => boolean, onGone: () => void = () => {}) {
    this.#clock = clock;
    this.#leader = leader;
    this.#counts = counts;
    this.#onGone = onGone;
    this.#timer = repeat(clock, LOOK_MS, () => this.#look());
  }

  /** The one that went before the leader; null where none did. */
  get first(): Gone | null {
    const gone = this.#gone;
    if (!gone || this.#clock.now() - gone.atMs > STORY_MS) return null;
    return { name: gone.name, pid: gone.pid, exit: gone.exit };
  }

  /** Whether a member with such a name lives. */
  has(isMeant: (name: string) => boolean): boolean {
    return this.#members.some(({ name }) => isMeant(name));
  }

  /** The shared memory that any of them has mapped, as far as it was looked at; asked for, those that live are looked at again. */
  segments(): ReadonlySet<string> {
    this.#lookAtMemory(this.#group());
    return this.#segments;
  }

  /** What ends from now on was ended by us, or with the leader. */
  stop(): void {
    this.#timer.cancel();
  }

  #look(): void {
    const gone = this.#members.flatMap((member) => {
      const now = readMember(member.pid);
      const isThere = now !== null && now.member.startTicks === member.startTicks;
      return isThere && now.ended === null ? [] : [{ member, exit: isThere ? now.ended : null }];
    });
    if (gone.length > 0) this.#note(gone);
    const every = this.#looks < YOUNG_LOOKS ? LOOKS_A_SCAN.young : LOOKS_A_SCAN.grown;
    if (gone.length > 0 || this.#looks % every === 0) this.#scan();
    this.#looks += 1;
  }

  #note(gone: readonly { readonly member: Member; readonly exit: Gone['exit'] }[]): void {
    this.#members = this.#members.filter((member) => !gone.some((one) => one.member.pid === member.pid));
    // All of them at once: somebody has ended the whole group, and the leader's own end tells how.
    if (readMember(this.#leader)?.ended !== null || isOnItsWay(this.#leader)) return;
    const pids = new Set(gone.map(({ member }) => member.pid));
    this.#onGone();
    // A child that goes with its parent does so because of it.
    const first = gone.find(({ member }) => !pids.has(member.parent));
    if (!first || (this.#gone && this.#clock.now() - this.#gone.atMs <= STORY_MS)) return;
    this.#gone = { name: first.member.name, pid: first.member.pid, exit: first.exit, atMs: this.#clock.now() };
  }

  #scan(): void {
    const pids = this.#group();
    this.#members = pids.flatMap((pid) => {
      const found = pid === this.#leader ? null : readMember(pid);
      return found && found.ended === null && this.#counts(found.member.name) ? [found.member] : [];
    });
    this.#lookAtMemory(pids);
  }

  #lookAtMemory(pids: readonly number[]): void {
    for (const name of mappedSegments(pids)) this.#segments.add(name);
  }

  #group(): number[] {
    return listProcesses().flatMap(({ pid, group }) => (group === this.#leader ? [pid] : []));
  }
}

/** One of its names is in its title by now, and its end, where it is one of the dead that nobody has taken away yet. null: not there. */
function readMember(pid: number): { readonly member: Member; readonly ended: Gone['exit'] } | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return null;
  }
  const end = stat.lastIndexOf(')');
  const fields = stat.slice(end + 2).split(' ');
  const member = { pid, name: stat.slice(stat.indexOf('(') + 1, end), parent: Number(fields[1]), startTicks: Number(fields[19]) };
  const isDead = fields[0] === 'Z' || fields[0] === 'X';
  return { member, ended: isDead ? toExit(Number(fields[49])) : null };
}

/** Of a process's flags the one of those that are being taken down (PF_EXITING); of a set of signals SIGKILL. */
const EXITING = 0x4;
const KILL = 0x100n;

/** It is there, and about to be gone: whoever ends a whole group ends one member a moment before another. */
function isOnItsWay(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const flags = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[6]);
    const pending = [...readFileSync(`/proc/${pid}/status`, 'latin1').matchAll(/^(?:SigPnd|ShdPnd):\s*([\da-f]+)$/gm)];
    return (flags & EXITING) !== 0 || pending.some(([, set]) => (BigInt(`0x${set}`) & KILL) !== 0n);
  } catch {
    return true;
  }
}

/** Of the numbers of signals those by which an engine may end, as Linux counts them. */
const SIGNALS: Readonly<Record<number, string>> = {
  ...{ 1: 'SIGHUP', 2: 'SIGINT', 3: 'SIGQUIT', 4: 'SIGILL', 5: 'SIGTRAP', 6: 'SIGABRT', 7: 'SIGBUS', 8: 'SIGFPE', 9: 'SIGKILL' },
  ...{ 11: 'SIGSEGV', 13: 'SIGPIPE', 14: 'SIGALRM', 15: 'SIGTERM', 31: 'SIGSYS' },
};

/** A wait status: the signal in the low seven bits, the code in the byte above. */
function toExit(status: number): NonNullable<Gone['exit']> {
  const signal = status & 0x7f;
  return signal === 0 ? { code: (status >> 8) & 0xff, signal: null } : { code: null, signal: SIGNALS[signal] ?? `signal ${signal}` };
}
