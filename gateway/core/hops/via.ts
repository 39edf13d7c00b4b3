import { GatewayError } from '../errors.ts';

const MARK = /1\.1 headgate-([\da-f]{32})/g;
/** More gateways in a row than anybody has meant to have. */
const MOST = 8;
const NOBODY: readonly string[] = [];

/** The `Via` (RFC 9110, §7.6.3) that tells a worker, which is a gateway, by which a call has come. `gateways`: ids of 32 hexadecimal digits */
export function viaOf(gateways: readonly string[]): string {
  return gateways.map((id) => `1.1 headgate-${id}`).join(', ');
}

/** The ids of the gateways that a `Via` names. Other proxies are nobody's business here. */
export function gatewaysIn(via: string | undefined): readonly string[] {
  return via === undefined ? NOBODY : Array.from(via.matchAll(MARK), ([, id]) => id!);
}

/**
 * The gateways that a call has come by.
 * @throws loop_detected where `own` is among them: of gateways that have each other as workers, none is to have a call twice
 */
export function cameBy(via: string | undefined, own: string): readonly string[] {
  const gateways = gatewaysIn(via);
  if (gateways.includes(own)) {
    throw new GatewayError(
      'loop_detected',
      'The call has been at this gateway before: a worker that is listed here sends calls back to it.',
    );
  }
  if (gateways.length > MOST)
    throw new GatewayError('loop_detected', `The call has come by ${gateways.length} gateways: ${MOST} are allowed.`);
  return gateways;
}

/** Whether a call that has come by these may be sent to the gateway `id`. */
export function mayGoTo(id: string, gateways: readonly string[]): boolean {
  return gateways.length < MOST && !gateways.includes(id);
}
