/** What holds of limits and budgets while the store of state.url is away, by state.when_unavailable. */
export const MEANWHILE = {
  local: 'each gateway keeps to its share of limits and budgets',
  allow: 'nothing is limited',
  deny: 'whoever has limits is refused',
} as const;
