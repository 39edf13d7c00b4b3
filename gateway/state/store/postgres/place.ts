const SCHEME = /^[a-z]+:\/\//i;
/** A host or several, and the name of a database. */
const PLACE = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d+)?(?:,[\w.-]+(?::\d+)?)*(?:\/[\w.-]*)?$/i;

/** How messages call the database of a URL: without user and password, and without anything of which it is not clear that it is neither. */
export function placeOf(url: string): string {
  const [head = ''] = url.split('?');
  const place = head.includes('@') ? head.slice(head.lastIndexOf('@') + 1) : head.replace(SCHEME, '');
  return `the database ${PLACE.test(place) ? `at ${place}` : 'of database.url'}`;
}
