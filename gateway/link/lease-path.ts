/** The longest that a card is lent for. */
export const MOST_LEASE_MINUTES = 1_440;

/** Who asks for a card, as the admin API has read it. null: not said. */
export type LeaseAsked =
  | {
      readonly kind: 'lend';
      readonly gpu: string | null;
      readonly id: string | null;
      readonly holder: string;
      readonly minutes: number | null;
      readonly lapseSeconds: number | null;
    }
  | { readonly kind: 'end'; readonly gpu: string | null; readonly id: string | null };

/** The command of the control API that asks for it. */
export function leasePath(asked: LeaseAsked, newId: () => string): string {
  const { gpu } = asked;
  const fields =
    asked.kind === 'end'
      ? { gpu, id: asked.id }
      : { gpu, id: asked.id ?? newId(), holder: asked.holder, minutes: asked.minutes, lapse: asked.lapseSeconds };
  const said = Object.entries(fields).flatMap(([name, value]) => (value === null ? [] : [[name, String(value)]]));
  return `/v1/gpus/${asked.kind === 'end' ? 'back' : 'lease'}?${new URLSearchParams(said)}`;
}
