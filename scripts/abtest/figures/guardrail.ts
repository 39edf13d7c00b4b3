import { distributionOf } from '../../load/figures/distribution.ts';
import { ttftOf } from '../../load/figures/times.ts';
import { counted, type Slot } from './slot.ts';

/** What the gateway says of the guardrail of its batch window. */
export interface GuardrailSettings {
  readonly enabled: boolean;
  readonly sloMs: number;
}

/** What the guardrail would say, or did, of one arm. */
export interface GuardrailOpinion {
  readonly arm: number;
  /** Of the first tokens of all its calls; the guardrail itself takes first bytes by the last minute. */
  readonly p95Ms: number;
  readonly isWithin: boolean;
  /** Slots at whose end the window was narrower than the arm's, of so many that were looked at, and the narrowest. */
  readonly narrowed: number;
  readonly looked: number;
  readonly narrowestMs: number;
}

/** `wantedMs`: the window of each arm. */
export function opinionsOf(slots: readonly Slot[], wantedMs: readonly number[], { sloMs }: GuardrailSettings): GuardrailOpinion[] {
  return wantedMs.map((wanted, arm) => {
    const own = slots.filter((slot) => slot.arm === arm);
    const p95Ms = distributionOf(own.flatMap((slot) => counted(slot).map(ttftOf))).p95;
    const widths = own.map(({ windowMs }) => windowMs).filter((width) => width !== null);
    return {
      ...{ arm, p95Ms, isWithin: !(p95Ms > sloMs), looked: widths.length },
      narrowed: widths.filter((width) => width < wanted).length,
      narrowestMs: widths.reduce((a, b) => Math.min(a, b), wanted),
    };
  });
}
