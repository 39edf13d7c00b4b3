/** The environment, as `process.env` gives it. */
export type Environment = Readonly<Record<string, string | undefined>>;

interface Substituted {
  readonly text: string;
  /** What could not be put in, in words; then the text is not to be used. */
  readonly problems: readonly string[];
}

/**
 * Puts the environment's values for `${NAME}` and `${NAME:-value if unset or empty}` into a text. `$${` stands for `${`.
 * What is put in is not looked at again.
 */
export function substituteVariables(text: string, env: Environment): Substituted {
  const problems: string[] = [];
  const result = text.replace(/\$\$\{|\$\{([^}]*)(\}?)/g, (whole: string, inside: string | undefined, close: string | undefined) => {
    if (inside === undefined) return '${';
    const [, name, fallback] = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(inside) ?? [];
    if (name === undefined || close !== '}') {
      problems.push('expected ${NAME} or ${NAME:-value} here; write $${ for a plain ${');
      return whole;
    }
    const value = Object.hasOwn(env, name) ? env[name] : undefined;
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : value;
    if (value === undefined) problems.push(`the environment has no ${name}; set it, or write \${${name}:-value}`);
    return value ?? '';
  });
  return { text: result, problems };
}

export function mentionsVariable(text: string): boolean {
  return text.includes('${');
}
