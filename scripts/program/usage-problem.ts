import { EXIT_USAGE } from '../../gateway/config/exit-codes.ts';

/** Says what is wrong with the command line of the program `name`. @returns the exit code */
export function usageProblem(name: string, problem: string): number {
  process.stderr.write(`headgate ${name}: ${problem}\n"headgate ${name} --help" tells its usage.\n`);
  return EXIT_USAGE;
}
