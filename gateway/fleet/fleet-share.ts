import type { Share, ShareSources } from '../policies/capacity/share.ts';
import type { Fleet } from './fleet.ts';

/** A gateway's part of the workers' places as what its process may use; `box`: where several processes divide that part between them. */
export function fleetShare(fleet: Fleet, box: Share | null): Share {
  return {
    reckonFrom(sources: ShareSources) {
      fleet.reckonFrom(sources);
      box?.reckonFrom({ ...sources, placesOf: (worker) => Math.min(sources.placesOf(worker), fleet.most(worker.id)) });
    },
    places: (worker) => (box === null ? fleet.most(worker) : box.places(worker)),
    // Each gateway has a line of its own.
    line: (model) => box?.line(model) ?? Infinity,
    mayHaveMore: (model) => (box ?? fleet).mayHaveMore(model),
    turnedAway: (model) => box?.turnedAway(model),
    ask() {
      const question = fleet.ask();
      return box?.ask() ?? question;
    },
    isAnswered: (model, question) => (box ?? fleet).isAnswered(model, question),
    freed() {
      fleet.freed();
      box?.freed();
    },
    onChange(listener) {
      fleet.onChange(listener);
      box?.onChange(listener);
    },
  };
}
