/** A short name for "these very contents", whatever the order of keys. */
import { createHash } from 'node:crypto';

/** SHA-256 in hex of the value as JSON with sorted keys; absent and undefined keys are the same. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex');
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, child: unknown) =>
    typeof child === 'object' && child !== null && !Array.isArray(child)
      ? Object.fromEntries(Object.entries(child).toSorted(([left], [right]) => (left < right ? -1 : 1)))
      : child,
  );
}
