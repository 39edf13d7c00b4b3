/** Whether version `a` is older than `b`; null when `a` is not known. What stands behind the numbers (`.post1`, `rc2`) is not looked at. */
export function isOlder(a: string | null, b: string): boolean | null {
  const left = numbers(a ?? '');
  const right = numbers(b);
  if (left.length === 0) return null;
  for (let place = 0; place < Math.max(left.length, right.length); place += 1) {
    const difference = (left[place] ?? 0) - (right[place] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** Which engine a version is one of: the simulated one marks its own, as in 0.29.0+sim. null where the version is not known. */
export function engineOf(version: string | null): 'vllm' | 'sim' | null {
  if (version === null) return null;
  return version.endsWith('+sim') ? 'sim' : 'vllm';
}

function numbers(version: string): number[] {
  const text = /^v?(\d+(?:\.\d+)*)/.exec(version)?.[1];
  return text === undefined ? [] : text.split('.').map(Number);
}
