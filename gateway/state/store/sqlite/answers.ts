/** What answers a port in the thread of the database: the same methods, which return at once. */
export type Answers<Port> = {
  [Name in keyof Port]: Port[Name] extends (...args: infer Args) => Promise<infer Answer> ? (...args: Args) => Answer : never;
};
