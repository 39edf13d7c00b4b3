/** Something that the user can remove is in the way; the message says what, and how. */
export class Obstacle extends Error {}
