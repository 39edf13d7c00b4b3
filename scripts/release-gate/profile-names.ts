/** In the order in which they run. */
export const PROFILE_NAMES = ['step', 'spike', 'cancel', 'fair', 'drain', 'soak'] as const;
export type ProfileName = (typeof PROFILE_NAMES)[number];

export function isProfile(name: string): name is ProfileName {
  return (PROFILE_NAMES as readonly string[]).includes(name);
}
