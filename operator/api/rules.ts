/**
 * Rules of the resource that need more than one field, each stated twice: as CEL for the API server, and as TypeScript for
 * `openlake up`, the reconciler and good messages. Keeping both in one record is what keeps them equal.
 *
 * A rule with `oldSelf` is a transition rule: it is asked only when there is an earlier object.
 */
import { MINIMUM_MEMORY_BYTES } from '../../node/config/defaults.ts';
import type { ClusterSpec } from './cluster.ts';
import type { PoolSpec } from './pool.ts';
import { parseBytes } from './quantity.ts';
import type { PeerTlsSpec } from './tls.ts';

export type Violation = { readonly field: string; readonly value: unknown };

export type Rule<Self> = {
  /** For the API server; `self` is the object that the rule hangs on. */
  readonly cel: string;
  /** What is right; the message of both forms. */
  readonly expected: string;
  /** The field (relative to `self`, '' for itself) and value that break the rule. */
  readonly broken: (self: Self) => Violation | undefined;
};

export type Transition<Self> = {
  readonly cel: string;
  readonly expected: string;
  readonly broken: (self: Self, oldSelf: Self) => Violation | undefined;
};

export const poolsRules: readonly Rule<readonly PoolSpec[]>[] = [
  {
    cel: 'self.map(p, p.nodes.count).sum() <= 128',
    expected: 'at most 128 nodes in all pools together',
    broken: (pools) => {
      const sum = pools.reduce((total, pool) => total + pool.nodes.count, 0);
      return sum > 128 ? { field: '', value: `${sum} nodes` } : undefined;
    },
  },
];

export const poolRules: readonly Rule<PoolSpec>[] = [
  {
    cel: '!has(self.erasure) || self.erasure.parity < self.erasure.setSize',
    expected: 'a parity below setSize',
    broken: ({ erasure }) =>
      erasure !== undefined && erasure.parity >= erasure.setSize ? { field: 'erasure.parity', value: erasure.parity } : undefined,
  },
  {
    cel:
      '!has(self.erasure) || (self.nodes.count * (has(self.drives.directories) ? size(self.drives.directories.names) : ' +
      'has(self.drives.devices) ? size(self.drives.devices.paths) : 0)) % self.erasure.setSize == 0',
    expected: 'a setSize that divides the drives of the pool (nodes.count x drives per node)',
    broken: (pool) => {
      const drives = pool.nodes.count * drivesPerNode(pool);
      if (pool.erasure === undefined || drives % pool.erasure.setSize === 0) return undefined;
      return { field: 'erasure.setSize', value: `${pool.erasure.setSize} (with ${drives} drives)` };
    },
  },
];

export const nodesRules: readonly Rule<PoolSpec['nodes']>[] = [
  {
    cel: '!(has(self.names) && has(self.selector))',
    expected: 'names or a selector, not both',
    broken: (nodes) => (nodes.names !== undefined && nodes.selector !== undefined ? { field: 'names', value: nodes.names } : undefined),
  },
  {
    cel: '!has(self.names) || size(self.names) == self.count',
    expected: 'as many names as count',
    broken: ({ names, count }) =>
      names !== undefined && names.length !== count ? { field: 'names', value: `${names.length} names (count ${count})` } : undefined,
  },
];

export const drivesRules: readonly Rule<PoolSpec['drives']>[] = [
  {
    cel: 'has(self.directories) != has(self.devices)',
    expected: 'exactly one of directories and devices',
    broken: (drives) =>
      (drives.directories === undefined) === (drives.devices === undefined)
        ? { field: '', value: drives.devices === undefined ? undefined : 'both' }
        : undefined,
  },
  {
    cel: '!has(self.directories) || self.directories.names.all(n, self.directories.names.exists_one(x, x == n))',
    expected: 'every name once',
    broken: (drives) => repeated(drives.directories?.names, 'directories.names'),
  },
  {
    cel: '!has(self.devices) || self.devices.paths.all(n, self.devices.paths.exists_one(x, x == n))',
    expected: 'every path once',
    broken: (drives) => repeated(drives.devices?.paths, 'devices.paths'),
  },
];

export const networkRules: readonly Rule<ClusterSpec['network']>[] = [
  {
    cel: 'self.host',
    expected: 'true: nodes listen at their own addresses, which the pod network does not have',
    broken: ({ host }) => (host ? undefined : { field: 'host', value: host }),
  },
  {
    cel: 'self.s3Port != self.peerPort && self.s3Port != self.adminPort && self.peerPort != self.adminPort',
    expected: 'three different ports',
    broken: ({ s3Port, peerPort, adminPort }) =>
      new Set([s3Port, peerPort, adminPort]).size < 3 ? { field: '', value: { s3Port, peerPort, adminPort } } : undefined,
  },
];

export const ioRules: readonly Rule<ClusterSpec['io']>[] = [
  {
    cel: "quantity(self.memory).compareTo(quantity('64Mi')) >= 0",
    expected: 'at least 64Mi of memory',
    broken: ({ memory }) => (parseBytes(memory) < MINIMUM_MEMORY_BYTES ? { field: 'memory', value: memory } : undefined),
  },
];

export const podRules: readonly Rule<ClusterSpec['pod']>[] = [
  {
    cel: "!has(self.env) || self.env.all(e, e.name != 'NODE_NAME')",
    expected: 'another variable than NODE_NAME, which names the node',
    broken: ({ env }) => (env?.some(({ name }) => name === 'NODE_NAME') === true ? { field: 'env', value: 'NODE_NAME' } : undefined),
  },
];

export const peerTlsRules: readonly Rule<PeerTlsSpec>[] = [
  {
    cel: "self.mode == 'Disabled' || has(self.secretRef)",
    expected: 'secretRef with the name of the Secret that holds the certificate, where mode is Accept or Require',
    broken: ({ mode, secretRef }) =>
      mode === 'Disabled' || secretRef !== undefined ? undefined : { field: 'secretRef', value: undefined },
  },
];

export const networkTransitions: readonly Transition<ClusterSpec['network']>[] = [
  {
    cel: 'self.peerPort == oldSelf.peerPort',
    expected: 'no change: nodes find each other at peerPort, and cannot move there one by one',
    broken: (self, old) => (self.peerPort === old.peerPort ? undefined : { field: 'peerPort', value: self.peerPort }),
  },
];

export const specTransitions: readonly Transition<ClusterSpec>[] = [
  {
    cel: 'self.region == oldSelf.region',
    expected: 'no change: region is immutable',
    broken: (self, old) => (self.region === old.region ? undefined : { field: 'region', value: self.region }),
  },
];

export const poolsTransitions: readonly Transition<readonly PoolSpec[]>[] = [
  {
    cel: 'oldSelf.all(o, self.exists(n, n.name == o.name))',
    expected: 'every pool that was there: pools are append-only',
    broken: (self, old) => {
      const gone = old.filter((pool) => !self.some((other) => other.name === pool.name));
      return gone.length === 0 ? undefined : { field: '', value: `without ${gone.map((pool) => pool.name).join(', ')}` };
    },
  },
];

export const poolTransitions: readonly Transition<PoolSpec>[] = [
  {
    cel: 'self.nodes.count == oldSelf.nodes.count',
    expected: 'no change: count is immutable, add a pool instead',
    broken: (self, old) => (self.nodes.count === old.nodes.count ? undefined : { field: 'nodes.count', value: self.nodes.count }),
  },
  {
    cel:
      'has(self.drives.directories) == has(oldSelf.drives.directories) && ' +
      '(!has(self.drives.directories) || (self.drives.directories.parent == oldSelf.drives.directories.parent && ' +
      'self.drives.directories.names == oldSelf.drives.directories.names)) && ' +
      '(!has(self.drives.devices) || self.drives.devices == oldSelf.drives.devices)',
    expected: 'no change: drives are immutable, add a pool instead',
    broken: (self, old) => {
      const places = drivePlaces(self);
      return places.join('\n') === drivePlaces(old).join('\n') ? undefined : { field: 'drives', value: places };
    },
  },
  {
    cel: 'has(self.erasure) == has(oldSelf.erasure) && (!has(self.erasure) || self.erasure == oldSelf.erasure)',
    expected: 'no change: erasure is immutable',
    broken: (self, old) =>
      self.erasure?.setSize === old.erasure?.setSize && self.erasure?.parity === old.erasure?.parity
        ? undefined
        : { field: 'erasure', value: self.erasure },
  },
];

/** Drives of each node of the pool. */
export function drivesPerNode(pool: PoolSpec): number {
  return drivePlaces(pool).length;
}

/** Paths of a node's directories or devices, in slot order. */
export function drivePlaces(pool: PoolSpec): string[] {
  const { directories, devices } = pool.drives;
  if (directories !== undefined) return directories.names.map((name) => `${directories.parent}/${name}`);
  return [...(devices?.paths ?? [])];
}

function repeated(list: readonly string[] | undefined, field: string): Violation | undefined {
  const twice = list?.find((item, index) => list.indexOf(item) !== index);
  return twice === undefined ? undefined : { field, value: twice };
}
