/** A server whose API does not lie at its root. */
export class ApiPlace {
  readonly #api: string;
  readonly #root: string;

  /** `api`: where what is usually at /v1 lies, such as /openai/v1, or /api/paas/v4. */
  constructor(api: string) {
    this.#api = api;
    this.#root = api.endsWith('/v1') ? api.slice(0, -'/v1'.length) : api;
  }

  /** Where a path of the API, or another one of the server's, lies. */
  pathOf(path: string): string {
    return path.startsWith('/v1/') ? this.#api + path.slice('/v1'.length) : this.#root + path;
  }
}
