import type { WishResult } from '../slot/wish-result.ts';
import type { Controlled } from './control.ts';

interface OwnershipOptions {
  /** The process that has started the supervisor. */
  readonly starter: number;
  /** It is a gateway, which starts another supervisor where this one ends. */
  readonly isGateway: boolean;
  /** The present parent: another than the starter once that is gone. */
  readonly parent: () => number;
  readonly stop: () => void;
  /** Ends the supervisor and leaves the engines. */
  readonly leave: () => void;
}

/** Who may end the supervisor: it belongs to whoever has started it, and to every gateway that uses it. */
export function ownership({ starter, isGateway, parent, stop, leave }: OwnershipOptions): Pick<Controlled, 'stop' | 'stopIfLeft'> {
  /** Whoever has started it wants it no more, though it may take a moment until that is gone. */
  let isGivenUp = false;
  const isOwned = (): boolean => !isGivenUp && parent() === starter;
  const stopAll = (): WishResult => {
    stop();
    return { kind: 'accepted', will: 'Every worker is stopped, then the supervisor.' };
  };
  return {
    stop(leaveEngines) {
      const isGatewayThere = isGateway && isOwned();
      if (leaveEngines) {
        leave();
        const next = isGatewayThere
          ? `the gateway of process ${starter} starts the next supervisor`
          : 'the next supervisor takes them over';
        return { kind: 'accepted', will: `The engines go on without it; ${next}.` };
      }
      if (!isGatewayThere) return stopAll();
      return { kind: 'conflict', reason: `It belongs to the gateway of process ${starter}, which would start another: stop that.` };
    },
    stopIfLeft([follower], by) {
      if (by === String(starter)) isGivenUp = true;
      if (isOwned()) return { kind: 'conflict', reason: `The supervisor belongs to process ${starter}, which started it and runs.` };
      if (follower !== undefined) return { kind: 'conflict', reason: `The gateway of process ${follower} uses it.` };
      return stopAll();
    },
  };
}
