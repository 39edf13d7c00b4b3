// The program's exit codes besides 0.

export const EXIT_FAILED = 1;
/** The command line is wrong. */
export const EXIT_USAGE = 2;
/** Settings or profiles are wrong: a new start would end in the same way. */
export const EXIT_INVALID = 64;
/** A port that is to be listened on is somebody else's. */
export const EXIT_PORT_IN_USE = 69;
export const EXIT_INTERRUPTED_TWICE = 130;
