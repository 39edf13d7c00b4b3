/** The name under which a worker's processes carry their instance id in the environment: the mark a sweep finds them by. */
export const INSTANCE_VARIABLE = 'HEADGATE_INSTANCE_ID';
