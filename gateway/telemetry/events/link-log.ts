import type { SupervisorLink } from '../../link/snapshot.ts';
import type { Log } from '../../core/log/log.ts';

/** Says when a supervisor that was there falls silent, and when it is back. That it comes up later than the gateway is no news. */
export function linkLog(log: Pick<Log, 'info' | 'warn'>): (link: SupervisorLink) => void {
  let wasThere = false;
  let isLost = false;
  return (link) => {
    if (link.kind === 'connected') {
      if (isLost) log.info('supervisor.back', 'The supervisor answers again.');
      wasThere = true;
      isLost = false;
    } else if (link.kind === 'away' && wasThere && !isLost) {
      isLost = true;
      log.warn(
        'supervisor.away',
        `The supervisor does not answer (${link.reason}); its workers go on serving, and nobody watches over them.`,
      );
    }
  };
}
