/**
 * Writes a configuration as TOML, the inverse of load.ts: parse(render(config)) equals config.
 *
 * The operator renders one file per node with it. Everything is written out, defaults included, so that a later release
 * with other defaults cannot change what a running node was told.
 */
import { stringify } from 'smol-toml';
import type { NodeConfig } from './schema.ts';

const header = '# Written by the OpenLake operator; changes are overwritten. Keys: docs/reference/configuration.md\n\n';

/** TOML text; the same configuration always gives the same text, whatever the order of its keys. */
export function renderNodeConfig(config: NodeConfig): string {
  const ordered = {
    cluster: config.cluster,
    layout: config.layout,
    node: config.node,
    listen: config.listen,
    secrets: config.secrets,
    io: config.io,
    limits: config.limits,
    log: config.log,
    credentials: config.credentials,
    drives: config.drives,
    nodes: config.nodes,
    sets: config.sets,
  } satisfies NodeConfig;
  return header + stringify(sortKeys(ordered, 0)) + '\n';
}

/** Keys below the first level in alphabetical order; absent ones are left out. */
function sortKeys(value: unknown, depth: number): unknown {
  if (Array.isArray(value)) return value.map((item) => sortKeys(item, depth + 1));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, child]) => child !== undefined);
  if (depth > 0) entries.sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(entries.map(([key, child]) => [key, sortKeys(child, depth + 1)]));
}
