/** From a DaemonSet to processes: names, paths, environment, probes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseNodeConfig } from '../../../node/config/load.ts';
import { countFailure, restartDelayMs } from '../../../operator/local/back-off.ts';
import { parseOrder, parseSignal } from '../../../operator/local/control.ts';
import { localize, localNodeNames } from '../../../operator/local/localize.ts';
import { dataPaths } from '../../../operator/local/paths.ts';
import { expand, type LocalPod, mapConfig, mapPath, podsOf } from '../../../operator/local/pod.ts';
import { plan } from '../../../operator/plan/plan.ts';
import { sampleCandidates, sampleCluster, samplePlanInput, wholeConfigs } from '../sample-cluster.ts';

const machine = { cores: 8, memoryBytes: 2 ** 34 };

function samplePods(change?: Parameters<typeof sampleCluster>[0]): {
  readonly pods: readonly LocalPod[];
  readonly config: ReadonlyMap<string, string>;
} {
  const { cluster } = localize(sampleCluster(change), machine);
  const result = plan(samplePlanInput(cluster, sampleCandidates(4)));
  assert.ok(result.kind === 'apply');
  const host = {
    paths: dataPaths('/data'),
    addresses: new Map(result.members.map((member) => [member.nodeName, member.address])),
    applicationRoot: '/checkout',
    nodeBinary: '/bin/node26',
  };
  return {
    pods: result.children.daemonSets.flatMap((daemonSet) => podsOf(daemonSet, host)),
    config: wholeConfigs(result.children.config.stringData),
  };
}

test('a pod runs the image command with paths of this machine', () => {
  const { pods } = samplePods();
  assert.equal(pods.length, 4);
  assert.equal(pods[1]?.command, '/bin/node26');
  assert.deepEqual(pods[1]?.args, ['/checkout/node/main.ts', '--config', '/data/node-1/config/node-1.toml']);
  assert.deepEqual(pods[1]?.env, { NODE_NAME: 'node-1' });
  assert.equal(pods[1]?.logFile, '/data/node-1/log');
  assert.equal(pods[1]?.graceMs, 35_000);
});

test('environment variables of the resource reach the pod', () => {
  const { pods } = samplePods(({ spec }) => Object.assign(spec, { pod: { env: [{ name: 'LEVEL', value: 'debug' }] } }));
  assert.deepEqual(pods[0]?.env, { NODE_NAME: 'node-0', LEVEL: 'debug' });
});

test('probes ask the address of their own node', () => {
  const probe = samplePods().pods[2]?.livenessProbe;
  assert.deepEqual({ address: probe?.address, port: probe?.port, path: probe?.path }, { address: '10.0.0.3', port: 9000, path: '/-/live' });
});

test('drives in the configuration are the folders that stand for them', () => {
  const { pods, config } = samplePods();
  const result = parseNodeConfig(mapConfig(config.get('node-3') ?? '', pods[3]?.mounts ?? []));
  assert.ok(result.kind === 'ok');
  assert.equal(result.config.drives[0]?.path, '/data/node-3/drives/d0');
});

test('arguments expand as on Kubernetes', () => {
  const env = { NODE_NAME: 'a' };
  assert.equal(expand('/etc/$(NODE_NAME).toml', env), '/etc/a.toml');
  assert.equal(expand('$(OTHER) $$(NODE_NAME) $NODE_NAME', env), '$(OTHER) $(NODE_NAME) $NODE_NAME');
});

test('only whole path elements are mapped', () => {
  const mounts = [{ inside: '/mnt/a', outside: '/x', secret: undefined }];
  assert.deepEqual(
    ['/mnt/a', '/mnt/a/b', '/mnt/ab', 'mnt/a'].map((text) => mapPath(text, mounts)),
    ['/x/', '/x/b', '/mnt/ab', 'mnt/a'].map((text) => text.replace(/^\/x\/$/, '/x')),
  );
});

test('a local cluster says what it does differently', () => {
  const { cluster, notes } = localize(
    sampleCluster(({ spec, pool }) => {
      pool['nodes'] = { count: 4, gpu: 'Require', rdma: 'Require' };
      pool['drives'] = { devices: { paths: ['/dev/nvme0n1', '/dev/nvme1n1'] } };
      spec['io'] = { memory: '64Gi' };
      spec['credentials'] = { root: [{ secretRef: { name: 'root' } }] };
    }),
    machine,
  );
  assert.equal(notes.length, 4);
  assert.deepEqual(cluster.spec.io, { engine: 'Auto', cores: 2, memory: '2048Mi' });
  assert.deepEqual(cluster.spec.pools[0]?.drives.directories, {
    parent: '/mnt/openlake',
    names: ['device0', 'device1'],
    mountCheck: 'Directory',
  });
  assert.deepEqual(localNodeNames(cluster), ['p0-0', 'p0-1', 'p0-2', 'p0-3']);
});

test('restarts back off from 1 s to 30 s, and a steady run forgets', () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7].map(restartDelayMs), [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  assert.equal(countFailure(5, 100), 6);
  assert.equal(countFailure(5, 60_000), 1);
});

test('orders name a node and a signal', () => {
  assert.deepEqual(parseOrder('POST', '/v1/pods/p0-1/stop?signal=KILL'), { kind: 'stop', name: 'p0-1', signal: 'SIGKILL' });
  assert.deepEqual(parseOrder('POST', '/v1/pods/p0-1/stop'), { kind: 'stop', name: 'p0-1', signal: 'SIGTERM' });
  assert.deepEqual(parseOrder('POST', '/v1/pods/p0-1/start'), { kind: 'start', name: 'p0-1' });
  assert.match(String(parseOrder('GET', '/v1/pods/p0-1/start')), /no order GET/);
  assert.match(String(parseOrder('POST', '/v1/pods/p0-1/stop?signal=HUP')), /no signal HUP/);
  assert.equal(parseSignal('kill'), 'SIGKILL');
});
