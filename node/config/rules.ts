/**
 * Rules of the configuration that no single field can tell: what must be unique, what must refer to what.
 *
 * Each rule is a named function from a configuration whose fields are all well formed to problems.
 */
import path from 'node:path';
import { layoutHash } from '../layout/hash.ts';
import type { Problem } from './check.ts';
import { splitEndpoint } from './check.ts';
import type { NodeConfig } from './schema.ts';

type Rule = (config: NodeConfig) => Problem[];

const rules: readonly Rule[] = [
  driveIsDirectoryOrDevice,
  drivesDoNotOverlap,
  portsAreDistinct,
  nodesAreDistinct,
  thisNodeIsListed,
  setsAreDistinct,
  slotsMatchCoding,
  slotsReferToNodesAndDrives,
  slotsUseADriveOnce,
  credentialsAreDistinct,
  peerNameIsAName,
  layoutHashMatches,
];

/** Every rule that this configuration breaks; `config` must have passed the schema. */
export function checkRules(config: NodeConfig): Problem[] {
  return rules.flatMap((rule) => rule(config));
}

function driveIsDirectoryOrDevice(config: NodeConfig): Problem[] {
  return config.drives.flatMap((drive, index): Problem[] => {
    if ((drive.path === undefined) !== (drive.device === undefined)) return [];
    const value = drive.path === undefined ? undefined : `path and device ${drive.device ?? ''}`;
    return [{ path: `drives[${index}]`, value, expected: 'exactly one of path and device' }];
  });
}

function drivesDoNotOverlap(config: NodeConfig): Problem[] {
  const places = config.drives.map((drive) => path.posix.normalize(`${drive.path ?? drive.device ?? ''}/`));
  return places.flatMap((place, index): Problem[] => {
    if (place === './') return [];
    const other = places.findIndex((candidate, at) => at !== index && candidate !== './' && overlaps(place, candidate, at < index));
    if (other < 0) return [];
    const drive = config.drives[index];
    const field = drive?.path === undefined ? 'device' : 'path';
    return [
      {
        path: `drives[${index}].${field}`,
        value: drive?.path ?? drive?.device,
        expected: `a place of its own, neither equal to nor inside drives[${other}] (${places[other]?.replace(/(.)\/$/, '$1')})`,
      },
    ];
  });
}

/** Equal places are reported once, at the later one; one inside another at the inner one. */
function overlaps(place: string, other: string, otherIsEarlier: boolean): boolean {
  return place === other ? otherIsEarlier : place.startsWith(other);
}

function portsAreDistinct(config: NodeConfig): Problem[] {
  const seen = new Map<string, string>();
  return Object.entries(config.listen).flatMap(([name, endpoint]): Problem[] => {
    const other = seen.get(endpoint);
    seen.set(endpoint, name);
    if (other === undefined) return [];
    return [{ path: `listen.${name}`, value: endpoint, expected: `another endpoint than listen.${other}` }];
  });
}

function nodesAreDistinct(config: NodeConfig): Problem[] {
  const ids = duplicates(config.nodes, (node) => String(node.id)).map(
    ({ index, first }): Problem => ({
      path: `nodes[${index}].id`,
      value: config.nodes[index]?.id,
      expected: `an id that nodes[${first}] does not have`,
    }),
  );
  const endpoints = duplicates(config.nodes, (node) => `${node.address} ${node.peer_port}`).map(
    ({ index, first }): Problem => ({
      path: `nodes[${index}]`,
      value: `${config.nodes[index]?.address} port ${config.nodes[index]?.peer_port}`,
      expected: `an address and peer_port that nodes[${first}] does not have`,
    }),
  );
  return [...ids, ...endpoints];
}

function thisNodeIsListed(config: NodeConfig): Problem[] {
  const self = config.nodes.find((node) => node.id === config.node.id);
  if (self === undefined) {
    const known = config.nodes.map((node) => node.id).join(', ');
    return [{ path: 'node.id', value: config.node.id, expected: `an id listed in [[nodes]] (${known})` }];
  }
  const problems: Problem[] = [];
  if (self.address !== config.node.address) {
    problems.push({ path: 'node.address', value: config.node.address, expected: `the address of this node in [[nodes]], ${self.address}` });
  }
  for (const name of ['s3', 'peer', 'admin'] as const) {
    const port = splitEndpoint(config.listen[name])?.port;
    const listed = self[`${name}_port`];
    if (port !== listed) {
      problems.push({
        path: `listen.${name}`,
        value: config.listen[name],
        expected: `the ${name}_port of this node in [[nodes]], ${listed}`,
      });
    }
  }
  return problems;
}

/** Braces only stand around `id`. */
function peerNameIsAName(config: NodeConfig): Problem[] {
  const name = config.peer_tls?.name;
  if (name === undefined || !/[{}]/.test(name.replaceAll('{id}', ''))) return [];
  return [{ path: 'peer_tls.name', value: name, expected: 'no braces but those of {id}' }];
}

function setsAreDistinct(config: NodeConfig): Problem[] {
  return duplicates(config.sets, (set) => String(set.id)).map(({ index, first }) => ({
    path: `sets[${index}].id`,
    value: config.sets[index]?.id,
    expected: `an id that sets[${first}] does not have`,
  }));
}

function slotsMatchCoding(config: NodeConfig): Problem[] {
  return config.sets.flatMap((set, index): Problem[] => {
    const size = set.data + set.parity;
    if (set.slots.length === size) return [];
    return [{ path: `sets[${index}].slots`, value: `${set.slots.length} entries`, expected: `data + parity = ${size} entries` }];
  });
}

function slotsReferToNodesAndDrives(config: NodeConfig): Problem[] {
  const ids = new Set(config.nodes.map((node) => node.id));
  return config.sets.flatMap((set, setIndex) =>
    set.slots.flatMap((slot, index): Problem[] => {
      const place = `sets[${setIndex}].slots[${index}]`;
      if (!ids.has(slot.node)) return [{ path: `${place}.node`, value: slot.node, expected: 'an id listed in [[nodes]]' }];
      if (slot.node !== config.node.id || slot.drive < config.drives.length) return [];
      return [{ path: `${place}.drive`, value: slot.drive, expected: `a drive of this node, 0 to ${config.drives.length - 1}` }];
    }),
  );
}

function slotsUseADriveOnce(config: NodeConfig): Problem[] {
  const slots = config.sets.flatMap((set, setIndex) =>
    set.slots.map((slot, index) => ({ place: `sets[${setIndex}].slots[${index}]`, name: `node ${slot.node} drive ${slot.drive}` })),
  );
  return duplicates(slots, (slot) => slot.name).map(({ index, first }) => ({
    path: slots[index]?.place ?? '',
    value: slots[index]?.name,
    expected: `a drive that ${slots[first]?.place} does not use`,
  }));
}

function credentialsAreDistinct(config: NodeConfig): Problem[] {
  return duplicates(config.credentials, (credential) => credential.access_key).map(({ index, first }) => ({
    path: `credentials[${index}].access_key`,
    value: config.credentials[index]?.access_key,
    expected: `another one than credentials[${first}]`,
  }));
}

function layoutHashMatches(config: NodeConfig): Problem[] {
  const expected = layoutHash({ epoch: config.layout.epoch, sets: config.sets });
  if (config.layout.hash === expected) return [];
  return [
    {
      path: 'layout.hash',
      value: config.layout.hash,
      expected: `the hash of epoch ${config.layout.epoch} with these [[sets]], ${expected}`,
    },
  ];
}

function duplicates<T>(items: readonly T[], key: (item: T) => string): { index: number; first: number }[] {
  const seen = new Map<string, number>();
  return items.flatMap((item, index) => {
    const name = key(item);
    const first = seen.get(name);
    if (first === undefined) {
      seen.set(name, index);
      return [];
    }
    return [{ index, first }];
  });
}
