import { GatewayError } from '../../core/errors.ts';

const MARK = /1\.1 headgate-[\da-f]{32}/g;
/** More gateways in a row than anybody has meant to have. */
const MOST = 8;

/** What a gateway writes into the `Via` of each call that it sends to a worker of somebody else's (RFC 9110, §7.6.3). `gateway`: 32 hexadecimal digits */
export function viaMark(gateway: string): string {
  return `1.1 headgate-${gateway}`;
}

/**
 * The gateways that a call has come by, as the next one is to know them; null: none. Other proxies are not its business.
 * @throws loop_detected where `own` is among them: of gateways that have each other as workers, none is to have a call twice
 */
export function cameBy(via: string | undefined, own: string): string | null {
  const marks = via?.match(MARK);
  if (!marks) return null;
  if (marks.includes(own)) {
    throw new GatewayError(
      'loop_detected',
      'The call has been at this gateway before: a worker that is listed here sends calls back to it.',
    );
  }
  if (marks.length > MOST) throw new GatewayError('loop_detected', `The call has come by ${marks.length} gateways: ${MOST} are allowed.`);
  return marks.join(', ');
}
