/**
 * Writes a configuration as TOML, the inverse of load.ts: parse(render(config)) equals config.
 *
 * The operator renders one file per node with it. Everything is written out, defaults included, so that a later release
 * with other defaults cannot change what a running node was told.
 */
import { stringify } from 'smol-toml';
import type { NodeConfig, SetConfig } from './schema.ts';

const header = '# Written by the OpenLake operator; changes are overwritten. Keys: docs/reference/configuration.md\n\n';

/** TOML text; the same configuration always gives the same text, whatever the order of its keys. */
export function renderNodeConfig(config: NodeConfig): string {
  const { sets, ...tables } = config;
  const ordered = {
    cluster: tables.cluster,
    layout: tables.layout,
    node: tables.node,
    listen: tables.listen,
    secrets: tables.secrets,
    io: tables.io,
    limits: tables.limits,
    log: tables.log,
    credentials: tables.credentials,
    drives: tables.drives,
    nodes: tables.nodes,
  } satisfies Omit<NodeConfig, 'sets'>;
  return [header + stringify(sortKeys(ordered, 0)), ...sets.map(renderSet)].join('\n');
}

/** A set with its slots in one line: thousands of them as tables of their own would hide everything else. */
function renderSet(set: SetConfig): string {
  const { slots, ...fields } = set;
  const pairs = slots.map((slot) => `{ node = ${slot.node}, drive = ${slot.drive} }`);
  return `[[sets]]\n${stringify(sortKeys(fields, 1)).trimEnd()}\nslots = [${pairs.join(', ')}]\n`;
}

/** Keys below the first level in alphabetical order; absent ones are left out. */
function sortKeys(value: unknown, depth: number): unknown {
  if (Array.isArray(value)) return value.map((item) => sortKeys(item, depth + 1));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, child]) => child !== undefined);
  if (depth > 0) entries.sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(entries.map(([key, child]) => [key, sortKeys(child, depth + 1)]));
}
