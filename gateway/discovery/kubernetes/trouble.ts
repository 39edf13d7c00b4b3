/** Why the API server could not be asked, or did not say what was asked. `message` goes on from the source's name. */
export class ApiTrouble extends Error {
  /** Whether it will stay as it is until somebody does something. */
  readonly isLasting: boolean;
  /** How long the server wants to be left alone; null: it does not say. */
  readonly retryAfterMs: number | null;

  constructor(
    message: string,
    more: { readonly isLasting?: boolean; readonly retryAfterMs?: number | null; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause });
    this.name = 'ApiTrouble';
    this.isLasting = more.isLasting ?? false;
    this.retryAfterMs = more.retryAfterMs ?? null;
  }
}

/** It answers, and not with what was asked for. */
export function garbage(expected: string): ApiTrouble {
  return new ApiTrouble(`is not told: what the API server answers is not ${expected}`);
}

/** What is wrong when the API server answers with another status than 200. `verb`: list or watch. */
export function troubleOfStatus(status: number, verb: string, retryAfter: string | null): ApiTrouble {
  const seconds = retryAfter !== null && /^\d{1,5}$/.test(retryAfter) ? Number(retryAfter) : null;
  const retryAfterMs = seconds === null ? null : seconds * 1000;
  if (status === 401) {
    return new ApiTrouble('is not told: the API server does not accept the token; see discovery.kubernetes.token_file', { retryAfterMs });
  }
  if (status === 403) {
    const right = 'a Role in their namespace with get, list and watch of endpointslices in discovery.k8s.io, bound to that account';
    return new ApiTrouble(`may not be seen: the service account has no right to ${verb} EndpointSlices. It takes ${right}`, {
      isLasting: true,
      retryAfterMs,
    });
  }
  if (status === 404) {
    return new ApiTrouble(
      'cannot be found: the server knows no discovery.k8s.io/v1; check that discovery.kubernetes.api is the API server',
      {
        isLasting: true,
      },
    );
  }
  if (status === 429) return new ApiTrouble('is not told: the API server asks to be left alone for a while (429)', { retryAfterMs });
  if (status === 410) return new ApiTrouble('was read too long ago: the API server has forgotten that version (410)');
  return new ApiTrouble(`is not told: the API server answers with status ${status} to a ${verb}`, { retryAfterMs });
}
