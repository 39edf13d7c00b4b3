/** What a program of this kind needs of the place where it is run. */
export interface Place {
  /** Of this Headgate. */
  readonly version: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The gateway that runs here, by the flags of the settings that say where. @throws Error in words when there is none */
  findGateway(where: readonly string[]): Promise<string>;
  /** The machine it runs on. */
  machine(): Readonly<Record<string, string | number>>;
}
