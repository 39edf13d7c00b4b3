/** What `headgate chaos --help` says. */
export const CHAOS_HELP = `Usage: headgate chaos [--rows NAME,…] [--quick] [--random N] [FLAGS]

Injects faults at the edges of a gateway that serves calls, and tells what each has cost: the table of faults survived. A row has one fault.
A row starts a gateway of its own in front of workers of its own, on free ports of this machine; streams, whole answers, both classes and
lines of a batch are on their way. Each call must end once, within its limits, with an answer, an error or an error event, never in silence;
each answer must be the call's own (it repeats a mark that the call brought); nothing may be left of calls; each line is written once; no call
is sent to workers more often than it may be tried. A row shows that its fault has struck, and that what it promises has come about.

  --rows NAME,…    these rows alone (--list names them)
  --quick          a dozen rows, one of each kind
  --list           the rows, and what each does; plays none
  --random N       instead of the table N random schedules of faults that overlap; a schedule that breaks something is told with its seed,
                   and "headgate chaos --seed S --random 1" plays that one alone (it tells how to play those before it, too)
  --seed N         of all that is left to chance (default 1)
  --at-once N      rows or schedules at the same time (default: one a core, 4 at most); rows that take all that a machine has come last,
                   one after another
  --out FOLDER     where result.json, table.md and report.html go (default: experiments/runs/DATE-chaos-ID)
  --json           the result as JSON on standard output instead of the table

What needs a program that is not on this machine (Redis, PostgreSQL, openssl) or a right that this user has not is skipped by name.

Exit codes: 0 nothing was broken, 1 something was (or nothing was met, or could not be played, or it was interrupted), 2 wrong usage, 130 interrupted twice.
`;
