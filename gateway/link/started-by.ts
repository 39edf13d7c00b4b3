/** The environment variable in which a gateway tells the supervisor that it starts which process it is. */
export const STARTED_BY_VARIABLE = 'HEADGATE_STARTED_BY';
