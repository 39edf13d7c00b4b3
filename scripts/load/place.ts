/** Where a gateway takes orders of its operator. */
export interface AdminDoor {
  readonly base: string;
  /** null: there was none to be found. */
  readonly key: string | null;
}

/** What a program of this kind needs of the place where it is run. */
export interface Place {
  /** Of this Headgate. */
  readonly version: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The gateway that runs here, by the flags of the settings that say where. @throws Error in words when there is none */
  findGateway(where: readonly string[]): Promise<string>;
  /**
   * Where operators are heard of the gateway whose API is at `base`, by the flags of the settings that say where. The key of this folder is
   * for the gateway of this folder only. `given`: the key to use instead; null: none was named. @throws Error in words when there is a key that
   * cannot be read, and it is needed
   */
  findAdmin(where: readonly string[], base: string, given: string | null): Promise<AdminDoor>;
  /** The machine it runs on. */
  machine(): Readonly<Record<string, string | number>>;
}
