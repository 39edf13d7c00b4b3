/** Resolves in the next turn of the event loop: by then the sockets have been asked once more. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
