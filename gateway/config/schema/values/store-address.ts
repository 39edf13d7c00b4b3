import { isMetadataHost } from './addresses.ts';

/** What is wrong with user, password or host of a store's URL, or null. The values themselves are never repeated. */
export function storeAddressProblem(url: URL): string | null {
  if (!isWritten(url.username) || !isWritten(url.password)) return 'a % in a user name or password is written %25';
  // Only of http a host is brought into one form.
  if (isMetadataHost(URL.parse(`http://${url.host}`)?.hostname ?? '')) return 'addresses of cloud metadata services are refused';
  return null;
}

function isWritten(part: string): boolean {
  try {
    decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}
