/**
 * Writes a configuration as TOML, the inverse of load.ts: parse(render(config)) equals config.
 *
 * The operator renders one file per node with it. Everything is written out, defaults included, so that a later release
 * with other defaults cannot change what a running node was told.
 */
import { stringify } from 'smol-toml';
import { INCLUDE_SHARED, joinParts } from './file.ts';
import type { NodeConfig, SetConfig } from './schema.ts';

const header = '# Written by the OpenLake operator; changes are overwritten. Keys: docs/reference/configuration.md\n';

/** TOML text; the same configuration always gives the same text, whatever the order of its keys. */
export function renderNodeConfig(config: NodeConfig): string {
  return joinParts(renderOwnPart(config), renderSharedPart(config));
}

/** What differs from node to node, with the line that includes the rest (file.ts). */
export function renderOwnPart({ node, listen, drives }: Pick<NodeConfig, 'node' | 'listen' | 'drives'>): string {
  return `${header}${INCLUDE_SHARED}\n${renderTables({ node, listen, drives })}`;
}

/** What all nodes of a cluster share. */
export function renderSharedPart(config: Omit<NodeConfig, 'node' | 'listen' | 'drives'>): string {
  const { cluster, layout, secrets, peer_tls, io, limits, log, credentials, nodes, sets } = config;
  return [renderTables({ cluster, layout, secrets, peer_tls, io, limits, log, credentials, nodes }), ...sets.map(renderSet)].join('\n');
}

function renderTables(tables: Readonly<Record<string, unknown>>): string {
  return stringify(sortKeys(tables, 0) as Record<string, unknown>);
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
