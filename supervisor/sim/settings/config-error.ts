/** A value that vLLM's configuration refuses after the command line was read; exit status 1. */
export class ConfigError extends Error {}
