/** The resource: what is accepted, and how each broken rule is named. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { describeProblem } from '../../../node/config/check.ts';
import { validateCluster } from '../../../operator/api/validate.ts';
import { sampleCluster, sampleDocument } from '../sample-cluster.ts';

function problemsOf(change: Parameters<typeof sampleDocument>[0]): string[] {
  const result = validateCluster(sampleDocument(change));
  return result.kind === 'ok' ? [] : result.problems.map(describeProblem);
}

test('defaults are filled in', () => {
  const { spec, metadata } = sampleCluster();
  assert.equal(metadata.namespace, 'default');
  assert.equal(spec.region, 'us-east-1');
  assert.deepEqual(spec.network, { host: true, s3Port: 9000, peerPort: 9001, adminPort: 9002 });
  assert.deepEqual(spec.io, { engine: 'Auto', cores: 'Auto', memory: '8Gi' });
  assert.equal(spec.pools[0]?.weight, 100);
  assert.equal(spec.pools[0]?.nodes.topologyKey, 'topology.kubernetes.io/zone');
});

test('every example is valid', () => {
  const folder = new URL('../../../crds/examples/', import.meta.url);
  const files = readdirSync(folder);
  assert.ok(files.length >= 3);
  for (const file of files) {
    assert.deepEqual(validateCluster(parse(readFileSync(new URL(file, folder), 'utf8'))).kind, 'ok', file);
  }
});

test('an unknown field names the nearest known one', () => {
  assert.deepEqual(
    problemsOf(({ pool }) => {
      pool['erasuer'] = pool['erasure'];
    }),
    ['spec.pools[0].erasuer is missing: expected no key "erasuer" here, but erasure (the nearest known key)'],
  );
});

/** Each rule: how to break it, and what is said. */
const broken: readonly (readonly [string, Parameters<typeof sampleDocument>[0], string])[] = [
  [
    'kind',
    (document) => Object.assign(document.metadata, { name: 'UPPER' }),
    'metadata.name = "UPPER": expected a lower-case name of at most 40 letters, digits and "-"',
  ],
  ['version', ({ spec }) => Object.assign(spec, { version: 'latest' }), 'spec.version = "latest": expected a release as 1.2.0'],
  [
    'parity below set size',
    ({ pool }) => Object.assign(pool, { erasure: { setSize: 4, parity: 4 } }),
    'spec.pools[0].erasure.parity = 4: expected a parity below setSize',
  ],
  [
    'set size divides drives',
    ({ pool }) => Object.assign(pool, { erasure: { setSize: 3, parity: 1 } }),
    'spec.pools[0].erasure.setSize = "3 (with 4 drives)": expected a setSize that divides the drives of the pool (nodes.count x drives per node)',
  ],
  [
    'set size at most 16',
    ({ pool }) => Object.assign(pool, { erasure: { setSize: 17, parity: 4 } }),
    'spec.pools[0].erasure.setSize = 17: expected an integer from 2 to 16',
  ],
  [
    'directories or devices',
    ({ pool }) => Object.assign(pool['drives'] as object, { devices: { paths: ['/dev/sda'] } }),
    'spec.pools[0].drives = "both": expected exactly one of directories and devices',
  ],
  [
    'directories or devices',
    ({ pool }) => Object.assign(pool, { drives: {} }),
    'spec.pools[0].drives is missing: expected exactly one of directories and devices',
  ],
  [
    'drive names are names',
    ({ pool }) => Object.assign(pool, { drives: { directories: { parent: '/mnt', names: ['../d0'] } } }),
    'spec.pools[0].drives.directories.names[0] = "../d0": expected a name without "/" and ".."',
  ],
  [
    'the parent has no dots',
    ({ pool }) => Object.assign(pool, { drives: { directories: { parent: '/mnt/../etc', names: ['d0'] } } }),
    'spec.pools[0].drives.directories.parent = "/mnt/../etc": expected an absolute path without "." and ".." parts',
  ],
  [
    'drive names once',
    ({ pool }) => Object.assign(pool, { drives: { directories: { parent: '/mnt', names: ['d0', 'd0'] } } }),
    'spec.pools[0].drives.directories.names = "d0": expected every name once',
  ],
  [
    'device paths once',
    ({ pool }) => Object.assign(pool, { drives: { devices: { paths: ['/dev/sda', '/dev/sda'] } } }),
    'spec.pools[0].drives.devices.paths = "/dev/sda": expected every path once',
  ],
  [
    'names excludes selector',
    ({ pool }) => Object.assign(pool['nodes'] as object, { names: ['a', 'b', 'c', 'd'], selector: {} }),
    'spec.pools[0].nodes.names = ["a","b","c","d"]: expected names or a selector, not both',
  ],
  [
    'as many names as count',
    ({ pool }) => Object.assign(pool['nodes'] as object, { names: ['a', 'b'] }),
    'spec.pools[0].nodes.names = "2 names (count 4)": expected as many names as count',
  ],
  [
    'names once',
    ({ pool }) => Object.assign(pool['nodes'] as object, { names: ['a', 'b', 'a', 'd'] }),
    'spec.pools[0].nodes.names[2] = "a": expected another one than at [0]',
  ],
  [
    'ports distinct',
    ({ spec }) => Object.assign(spec, { network: { s3Port: 9001 } }),
    'spec.network = {"s3Port":9001,"peerPort":9001,"adminPort":9002}: expected three different ports',
  ],
  [
    'host network only',
    ({ spec }) => Object.assign(spec, { network: { host: false } }),
    'spec.network.host = false: expected true: nodes listen at their own addresses, which the pod network does not have',
  ],
  [
    'enough memory',
    ({ spec }) => Object.assign(spec, { io: { memory: '1000' } }),
    'spec.io.memory = "1000": expected at least 64Mi of memory',
  ],
  [
    'NODE_NAME is ours',
    ({ spec }) => Object.assign(spec, { pod: { env: [{ name: 'NODE_NAME', value: 'x' }] } }),
    'spec.pod.env = "NODE_NAME": expected another variable than NODE_NAME, which names the node',
  ],
  [
    'TLS needs a certificate',
    ({ spec }) => Object.assign(spec, { tls: { peer: { mode: 'Require' } } }),
    'spec.tls.peer.secretRef is missing: expected secretRef with the name of the Secret that holds the certificate, where mode is Accept or Require',
  ],
  [
    'names of certificates',
    ({ spec }) => Object.assign(spec, { tls: { peer: { mode: 'Require', secretRef: { name: 'a' }, name: 'node-{node}.example' } } }),
    'spec.tls.peer.name = "node-{node}.example": expected a lower-case DNS name, with {id} where the node id stands if it does',
  ],
  [
    'at most 128 nodes',
    ({ spec, pool }) => Object.assign(spec, { pools: ['a', 'b'].map((name) => ({ ...pool, name, nodes: { count: 68 } })) }),
    'spec.pools = "136 nodes": expected at most 128 nodes in all pools together',
  ],
  [
    'pool names once',
    ({ spec, pool }) => Object.assign(spec, { pools: [pool, pool] }),
    'spec.pools[1].name = "p0": expected another one than at [0]',
  ],
  ['cores', ({ spec }) => Object.assign(spec, { io: { cores: 0 } }), 'spec.io.cores = 0: expected "Auto" or an integer from 1 to 256'],
  [
    'memory',
    ({ spec }) => Object.assign(spec, { io: { memory: '8GB' } }),
    'spec.io.memory = "8GB": expected bytes as 8Gi, 512Mi or a number in quotes',
  ],
];

for (const [rule, change, message] of broken) {
  test(`a broken rule names field, value and expectation: ${rule}`, () => assert.deepEqual(problemsOf(change), [message]));
}

/** What may not change, and how. */
const changes: readonly (readonly [Parameters<typeof sampleDocument>[0], string])[] = [
  [({ spec }) => Object.assign(spec, { region: 'eu-west-1' }), 'spec.region = "eu-west-1": expected no change: region is immutable'],
  [
    ({ spec }) => Object.assign(spec, { network: { peerPort: 9101 } }),
    'spec.network.peerPort = 9101: expected no change: nodes find each other at peerPort, and cannot move there one by one',
  ],
  [
    ({ pool }) => Object.assign(pool['nodes'] as object, { count: 8 }),
    'spec.pools[0].nodes.count = 8: expected no change: count is immutable, add a pool instead',
  ],
  [
    ({ pool }) => Object.assign(pool, { drives: { directories: { parent: '/mnt/other', names: ['d0'] } } }),
    'spec.pools[0].drives = ["/mnt/other/d0"]: expected no change: drives are immutable, add a pool instead',
  ],
  [
    ({ pool }) => Object.assign(pool, { erasure: { setSize: 4, parity: 1 } }),
    'spec.pools[0].erasure = {"setSize":4,"parity":1}: expected no change: erasure is immutable',
  ],
  [
    ({ pool }) => Object.assign(pool, { name: 'p1' }),
    'spec.pools = "without p0": expected every pool that was there: pools are append-only',
  ],
];

for (const [change, message] of changes) {
  test(`a change is refused: ${message}`, () => {
    const result = validateCluster(sampleDocument(change), sampleCluster());
    assert.deepEqual(result.kind === 'ok' ? [] : result.problems.map(describeProblem), [message]);
  });
}

test('live fields may change, and pools may be added', () => {
  const next = sampleDocument(({ spec, pool }) => {
    Object.assign(spec, { pools: [pool, { ...pool, name: 'p1' }], io: { memory: '1Gi' } });
  });
  assert.equal(validateCluster(next, sampleCluster()).kind, 'ok');
});
