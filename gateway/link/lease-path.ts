/** The longest that a card is lent for. */
export const MOST_LEASE_MINUTES = 1_440;
/** The longest that its end may take beyond that. */
export const MOST_GRACE_S = 60;

/** Who asks for a card, as the admin API has read it. null: not said. */
export type LeaseAsked =
  | {
      readonly kind: 'lend';
      readonly gpu: string | null;
      readonly id: string | null;
      /** null: somebody without a name. */
      readonly holder: string | null;
      readonly minutes: number | null;
      /** What the end may take beyond its time. */
      readonly graceSeconds: number | null;
      readonly lapseSeconds: number | null;
    }
  | { readonly kind: 'end'; readonly gpu: string | null; readonly id: string | null };

const NAMELESS = 'an operator';

/** The command of the control API that asks for it. */
export function leasePath(asked: LeaseAsked, newId: () => string): string {
  const { gpu } = asked;
  const fields =
    asked.kind === 'end' ? { gpu, id: asked.id } : { gpu, id: asked.id ?? newId(), holder: asked.holder ?? NAMELESS, ...termsOf(asked) };
  const said = Object.entries(fields).flatMap(([name, value]) => (value === null ? [] : [[name, String(value)]]));
  return `/v1/gpus/${asked.kind === 'end' ? 'back' : 'lease'}?${new URLSearchParams(said)}`;
}

/** `named`: the id was made up here, so that the name is who they are. `minutes`: all of them, those of the grace included. */
function termsOf({ id, holder, minutes, graceSeconds, lapseSeconds }: Extract<LeaseAsked, { kind: 'lend' }>) {
  return {
    named: id === null && holder !== null ? true : null,
    minutes: minutes === null ? null : minutes + (graceSeconds ?? 0) / 60,
    grace: minutes === null ? null : graceSeconds,
    lapse: lapseSeconds,
  };
}
