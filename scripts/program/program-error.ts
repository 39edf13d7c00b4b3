import { EXIT_FAILED } from '../../gateway/config/exit-codes.ts';

/** What stands in a program's way, in words, and the code it ends with. */
export class ProgramError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT_FAILED) {
    super(message);
    this.exitCode = exitCode;
  }
}
