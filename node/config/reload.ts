/**
 * What a changed configuration means for a running node: which keys apply at once, which wait for a restart.
 *
 * A pure comparison. The node applies the live keys and reports the others on its admin API; the operator restarts nodes
 * for those only.
 */
import type { NodeConfig } from './schema.ts';

export type ReloadDecision = {
  /** Keys to apply now, as dotted paths (`credentials`, `limits.idle_timeout_ms`). */
  readonly live: readonly string[];
  /** Keys that differ from what the process started with and wait for a restart. */
  readonly restart: readonly string[];
  /** Keys that can never change on a node that holds data; the new file must be refused as a whole. */
  readonly refused: readonly string[];
};

/** Most specific prefix wins; everything else waits for a restart. */
const classes: readonly { readonly prefix: string; readonly kind: keyof ReloadDecision }[] = [
  { prefix: 'cluster.id', kind: 'refused' },
  { prefix: 'cluster.region', kind: 'refused' },
  { prefix: 'node.id', kind: 'refused' },
  // Only says what a later start may do with blank drives.
  { prefix: 'cluster.bootstrap', kind: 'live' },
  { prefix: 'credentials', kind: 'live' },
  { prefix: 'secrets', kind: 'live' },
  { prefix: 'peer_tls', kind: 'live' },
  { prefix: 'nodes', kind: 'live' },
  { prefix: 'log', kind: 'live' },
  { prefix: 'limits', kind: 'live' },
];

/** Compares the configuration in force with a newly read one. */
export function compareConfigs(current: NodeConfig, next: NodeConfig): ReloadDecision {
  const decision = { live: [] as string[], restart: [] as string[], refused: [] as string[] };
  for (const key of changedKeys(current, next)) {
    const found = classes.find(({ prefix }) => key === prefix || key.startsWith(`${prefix}.`));
    decision[found?.kind ?? 'restart'].push(key);
  }
  return decision;
}

/** Tables are compared key by key, lists as a whole. */
function changedKeys(current: NodeConfig, next: NodeConfig): string[] {
  const names = [...new Set([...Object.keys(current), ...Object.keys(next)])].toSorted();
  return names.flatMap((name) => {
    const before: unknown = current[name as keyof NodeConfig];
    const after: unknown = next[name as keyof NodeConfig];
    if (!isTable(before) || !isTable(after)) return same(before, after) ? [] : [name];
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted();
    return keys.filter((key) => !same(before[key], after[key])).map((key) => `${name}.${key}`);
  });
}

function same(left: unknown, right: unknown): boolean {
  return canonical(left) === canonical(right);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, child: unknown) =>
    isTable(child) ? Object.fromEntries(Object.entries(child).toSorted(([left], [right]) => (left < right ? -1 : 1))) : child,
  );
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
