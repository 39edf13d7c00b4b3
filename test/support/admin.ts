/** The admin key of every gateway that a test starts and says nothing of. */
export const ADMIN_KEY = 'the-key-of-test-gateways';

/** Headers of a request to /admin or /debug there. */
export const AS_ADMIN = { authorization: `Bearer ${ADMIN_KEY}` } as const;
