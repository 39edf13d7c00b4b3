/** Why a server cannot be spoken to, where the error tells more than that it does not answer. */
export interface Unreached {
  /** For status and log: a name for the class of failure. */
  readonly class: string;
  /** Goes on from the server's url, or from "The worker": "… has a TLS certificate that is not trusted here". */
  readonly message: string;
  /** What an operator can do. */
  readonly advice: string;
}

const UNTRUSTED: Unreached = {
  class: 'tls_untrusted',
  message: 'has a TLS certificate that is not trusted here',
  advice: 'Start Headgate with NODE_EXTRA_CA_CERTS=FILE, the certificate (PEM) of the authority that signed it, or of the server itself.',
};
const EXPIRED: Unreached = {
  class: 'tls_expired',
  message: 'has a TLS certificate that is not valid now',
  advice: 'Renew the certificate of that server, and check the clocks of both machines.',
};
const WRONG_NAME: Unreached = {
  class: 'tls_wrong_name',
  message: 'has a TLS certificate for another name',
  advice: 'Write its url with the name that the certificate has, or give that server a certificate for this one.',
};
const NO_TLS: Unreached = {
  class: 'tls_not_spoken',
  message: 'does not speak TLS, or none that is spoken here',
  advice: 'Write http:// instead of https:// in its url, unless the port is wrong.',
};
const NO_HTTP: Unreached = {
  class: 'http_not_spoken',
  message: 'breaks off, or does not answer in HTTP',
  advice: 'Check the port in its url, and write https:// there if that server speaks TLS.',
};
const UNKNOWN_HOST: Unreached = {
  class: 'unknown_host',
  message: 'has a host name that cannot be resolved',
  advice: 'Check the host in its url, and the DNS of this machine (in a container: its network).',
};
const NO_ROUTE: Unreached = {
  class: 'no_route',
  message: 'lies in a network that cannot be reached from here',
  advice: 'Check the host in its url, routes and firewalls between the two machines.',
};

/** Codes of Node, OpenSSL, the resolver and undici. */
const BY_CODE: Readonly<Record<string, Unreached>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  CERT_UNTRUSTED: UNTRUSTED,
  CERT_REJECTED: UNTRUSTED,
  CERT_REVOKED: UNTRUSTED,
  INVALID_CA: UNTRUSTED,
  CERT_HAS_EXPIRED: EXPIRED,
  CERT_NOT_YET_VALID: EXPIRED,
  ERR_TLS_CERT_ALTNAME_INVALID: WRONG_NAME,
  HOSTNAME_MISMATCH: WRONG_NAME,
  EPROTO: NO_TLS,
  HPE_INVALID_CONSTANT: NO_HTTP,
  HPE_INVALID_VERSION: NO_HTTP,
  UND_ERR_SOCKET: NO_HTTP,
  ECONNRESET: NO_HTTP,
  ENOTFOUND: UNKNOWN_HOST,
  EAI_AGAIN: UNKNOWN_HOST,
  EAI_FAIL: UNKNOWN_HOST,
  EAI_NODATA: UNKNOWN_HOST,
  EHOSTUNREACH: NO_ROUTE,
  ENETUNREACH: NO_ROUTE,
};

const DEEPEST = 6;

/** null where the error says no more than that there was no answer. */
export function whyUnreached(error: unknown, depth = 0): Unreached | null {
  if (!(error instanceof Error) || depth > DEEPEST) return null;
  if ('code' in error && typeof error.code === 'string') {
    const named = BY_CODE[error.code] ?? (error.code.startsWith('ERR_SSL_') ? NO_TLS : null);
    if (named) return named;
  }
  if (error instanceof AggregateError) {
    for (const each of error.errors) {
      const named = whyUnreached(each, depth + 1);
      if (named) return named;
    }
  }
  return whyUnreached(error.cause, depth + 1);
}

/** For the client of a call: without hosts, ports and codes. */
export function unreachedBecause(error: Error | null): string {
  const why = whyUnreached(error);
  return why === null ? 'The worker could not be reached.' : `The worker could not be reached: it ${why.message}.`;
}
