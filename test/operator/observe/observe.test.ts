/** What planning is told about nodes and pods. */
import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { V1Node, V1NodeSystemInfo, V1Pod } from '@kubernetes/client-node';
import { SHARED_FILE } from '../../../node/config/file.ts';
import { fetchAnswer } from '../../../operator/observe/admin-client.ts';
import { observeNode } from '../../../operator/observe/nodes.ts';
import { observePod } from '../../../operator/observe/pods.ts';
import { readToldSecrets } from '../../../operator/observe/told-secrets.ts';
import { plan } from '../../../operator/plan/plan.ts';
import { sampleCandidates, sampleCluster, samplePlanInput, sampleSecrets } from '../sample-cluster.ts';

const ready = [{ type: 'Ready', status: 'True' }];

function node(change: { spec?: V1Node['spec']; status?: V1Node['status']; metadata?: V1Node['metadata'] }): V1Node {
  return {
    metadata: { name: 'gpu-1', labels: { tier: 'storage' }, ...change.metadata },
    ...(change.spec === undefined ? {} : { spec: change.spec }),
    status: { addresses: [{ type: 'InternalIP', address: '10.0.0.1' }], conditions: ready, ...change.status },
  };
}

test('a node offers the resources of which it has some to give', () => {
  const allocatable = { cpu: '8', 'rdma/a': '1k', 'rdma/b': '0', 'hugepages-2Mi': '0', memory: '100Gi', 'nvidia.com/gpu': '08' };
  const seen = observeNode(node({ status: { allocatable } }));
  assert.deepEqual(seen.resources, ['cpu', 'memory', 'nvidia.com/gpu', 'rdma/a']);
  assert.equal(seen.address, '10.0.0.1');
  assert.equal(seen.unfit, undefined);
});

test('every reason for a node to be unfit', () => {
  assert.equal(observeNode(node({ status: { addresses: [{ type: 'Hostname', address: 'gpu-1' }] } })).unfit, 'has no InternalIP address');
  assert.equal(observeNode(node({ status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } })).unfit, 'is not Ready');
  assert.equal(observeNode(node({ spec: { unschedulable: true } })).unfit, 'is cordoned');
  assert.equal(
    observeNode(node({ status: { nodeInfo: { operatingSystem: 'windows' } as V1NodeSystemInfo } })).unfit,
    'runs windows, not linux',
  );
  assert.equal(observeNode(node({ metadata: { name: 'gpu-1', deletionTimestamp: new Date(0) } })).unfit, 'is being removed');
});

function pod(status: V1Pod['status'], metadata: V1Pod['metadata'] = {}): V1Pod {
  return {
    metadata: { name: 'p', uid: 'u', annotations: { 'openlake.dev/revision': 'r1' }, labels: { 'openlake.dev/pool': 'p0' }, ...metadata },
    spec: { nodeName: 'gpu-1', containers: [] },
    ...(status === undefined ? {} : { status }),
  };
}

test('what a container said last stands behind why it does not run', () => {
  const ended = { exitCode: 2, message: 'earlier lines\nCannot use /etc/openlake/gpu-1.toml: 1 problem\n' };
  const waiting = { reason: 'CrashLoopBackOff', message: 'back-off 5m0s restarting failed container' };
  const container = {
    name: 'node',
    image: '',
    imageID: '',
    ready: false,
    restartCount: 3,
    state: { waiting },
    lastState: { terminated: ended },
  };
  const seen = observePod(pod({ containerStatuses: [container] }));
  assert.equal(seen.trouble, 'CrashLoopBackOff: earlier lines\nCannot use /etc/openlake/gpu-1.toml: 1 problem');
  const silent = { ...container, lastState: { terminated: { exitCode: 137 } } };
  assert.equal(observePod(pod({ containerStatuses: [silent] })).trouble, 'CrashLoopBackOff: back-off 5m0s restarting failed container');
});

test('the secrets that nodes were told can be read back from their configuration', () => {
  const cluster = sampleCluster();
  const result = plan(samplePlanInput(cluster, sampleCandidates(4)));
  assert.ok(result.kind === 'apply');
  assert.deepEqual(readToldSecrets(result.children.config.stringData), sampleSecrets);
  assert.equal(readToldSecrets({ [SHARED_FILE]: 'not = toml = at all' }), undefined);
  assert.equal(readToldSecrets({ [SHARED_FILE]: '[cluster]\nid = "x"\n' }), undefined);
});

const since = '2026-01-01T00:00:00Z' as unknown as Date;

test('a pod is ready since its condition says so, and idle while its container does not run', () => {
  const running = { name: 'node', image: '', imageID: '', ready: true, restartCount: 0, state: { running: {} } };
  const seen = observePod(
    pod({ conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: since }], containerStatuses: [running] }),
  );
  assert.equal(seen.ready, true);
  assert.equal(seen.readySinceMs, Date.UTC(2026, 0, 1));
  assert.equal(seen.idle, false);
  assert.equal(seen.revision, 'r1');
  const ending = observePod(
    pod(
      { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: since }], containerStatuses: [running] },
      { deletionTimestamp: since },
    ),
  );
  assert.equal(ending.ready, false);
  assert.equal(ending.deletedAtMs, Date.UTC(2026, 0, 1));
  const waiting = observePod(
    pod({
      containerStatuses: [{ ...running, ready: false, state: { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } } }],
    }),
  );
  assert.equal(waiting.idle, true);
  assert.equal(waiting.trouble, 'ImagePullBackOff: no such image');
  assert.equal(observePod(pod(undefined)).idle, true);
});

test('a pod that is not scheduled names its node, and why it waits', () => {
  const term = { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['gpu-9'] }] };
  const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } } };
  const seen = observePod({
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'node', ports: [{ name: 'admin', containerPort: 7002 }] }], affinity },
    status: { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'Insufficient rdma/a' }] },
  });
  assert.equal(seen.nodeName, 'gpu-9');
  assert.equal(seen.trouble, 'Unschedulable: Insufficient rdma/a');
  assert.equal(seen.adminPort, 7002);
});

test('a member that does not answer, or answers nonsense, says so without an exception', async () => {
  const server = http.createServer((request, response) => {
    const authorized = request.headers.authorization === 'Bearer token';
    response.writeHead(authorized ? 200 : 401).end(request.url === '/v1/sets' ? '{"sets":[]}' : 'nonsense');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const member = { id: 3, pool: 'p0', nodeName: 'gpu-1', address: '127.0.0.1', zone: '' };
  const answer = await fetchAnswer(member, { adminPort: port, token: 'token', timeoutMs: 1000, nowMs: () => 7 });
  assert.equal(answer.info, undefined);
  assert.match(answer.error ?? '', /answers no JSON/);
  assert.deepEqual(answer.view, { nodeId: 3, atMs: 7, sets: [] });
  const refused = await fetchAnswer(member, { adminPort: port, token: 'wrong', timeoutMs: 1000, nowMs: () => 7 });
  assert.match(refused.error ?? '', /answers 401/);
  assert.equal(refused.view, undefined);
  server.closeAllConnections();
  server.close();
});
