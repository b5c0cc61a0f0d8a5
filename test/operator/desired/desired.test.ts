/** Desired state: the objects and files that a resource stands for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { configHash } from '../../../node/config/hash.ts';
import { parseNodeConfig } from '../../../node/config/load.ts';
import type { NodeConfig } from '../../../node/config/schema.ts';
import { parseBytes } from '../../../operator/api/quantity.ts';
import { decodeSets, desiredLayout } from '../../../operator/desired/layout.ts';
import { type Plan, plan } from '../../../operator/plan/plan.ts';
import { sampleCandidates, sampleCluster, samplePlanInput, wholeConfigs } from '../sample-cluster.ts';

function applied(result: Plan): Extract<Plan, { kind: 'apply' }> {
  if (result.kind !== 'apply') throw new Error(`the plan is blocked: ${result.message}`);
  return result;
}

function configs(result: Plan): NodeConfig[] {
  return [...wholeConfigs(applied(result).children.config.stringData).values()].map((text) => {
    const parsed = parseNodeConfig(text);
    if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems));
    return parsed.config;
  });
}

const anyCluster = fc
  .record({
    nodes: fc.integer({ min: 3, max: 12 }),
    drives: fc.integer({ min: 1, max: 6 }),
    zones: fc.integer({ min: 1, max: 4 }),
    pools: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ nodes, drives, zones, pools }) => ({
    cluster: sampleCluster(({ spec }) => {
      spec['pools'] = Array.from({ length: pools }, (_, index) => ({
        name: `p${index}`,
        nodes: { count: nodes, gpu: 'Ignore', rdma: 'Ignore' },
        drives: { directories: { parent: '/mnt', names: Array.from({ length: drives }, (__, drive) => `d${drive}`) } },
      }));
    }),
    candidates: sampleCandidates(nodes * pools, zones),
  }));

test('every node gets a valid configuration that agrees with all others on everything but itself', () => {
  fc.assert(
    fc.property(anyCluster, ({ cluster, candidates }) => {
      const all = configs(plan(samplePlanInput(cluster, candidates)));
      assert.equal(all.length, candidates.length);
      const shared = all.map(({ node: _node, listen: _listen, ...rest }) => rest);
      for (const rest of shared) assert.deepEqual(rest, shared[0]);
      assert.equal(new Set(all.map((config) => config.node.id)).size, all.length);
    }),
  );
});

test('a recorded layout is returned as it stands, and another pool only adds to it', () => {
  fc.assert(
    fc.property(anyCluster, ({ cluster, candidates }) => {
      const first = applied(plan(samplePlanInput(cluster, candidates)));
      const again = desiredLayout({ pools: cluster.spec.pools, members: first.members }, first.layout);
      assert.deepEqual(again.kind === 'ok' && again.layout, first.layout);

      const before = desiredLayout({ pools: cluster.spec.pools.slice(0, 1), members: first.members });
      assert.ok(before.kind === 'ok');
      const after = desiredLayout({ pools: cluster.spec.pools, members: first.members }, before.layout);
      assert.ok(after.kind === 'ok');
      assert.deepEqual(after.layout.sets.slice(0, before.layout.sets.length), before.layout.sets);
      assert.equal(after.layout.epoch, cluster.spec.pools.length > 1 ? 2 : 1);
      const ids = decodeSets(after.layout).map((set) => set.id);
      assert.equal(new Set(ids).size, ids.length);
    }),
  );
});

test('bootstrap stands in the configuration until the latch, and never with adopted drives', () => {
  const cluster = sampleCluster();
  const input = samplePlanInput(cluster, sampleCandidates(4));
  assert.ok(configs(plan(input)).every((config) => config.cluster.bootstrap));
  assert.ok(configs(plan({ ...input, recorded: { ...input.recorded, bootstrapped: true } })).every((config) => !config.cluster.bootstrap));
  const adopting = sampleCluster(({ spec }) => Object.assign(spec, { adopt: 'd'.repeat(32) }));
  assert.ok(configs(plan({ ...input, cluster: adopting })).every((config) => !config.cluster.bootstrap));
});

test('a pool becomes an OnDelete DaemonSet on exactly its members', () => {
  const { children, members } = applied(plan(samplePlanInput(sampleCluster(), sampleCandidates(6))));
  const [daemonSet] = children.daemonSets;
  assert.equal(children.daemonSets.length, 1);
  assert.equal(daemonSet?.spec?.updateStrategy?.type, 'OnDelete');
  const pod = daemonSet?.spec?.template.spec;
  assert.equal(pod?.hostNetwork, true);
  const terms = pod?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  // The API server allows one value per requirement.
  assert.deepEqual(
    terms.map((term) => term.matchFields),
    members.map((member) => [{ key: 'metadata.name', operator: 'In', values: [member.nodeName] }]),
  );
});

test('liveness asks the data plane, readiness the control plane', () => {
  const { children } = applied(plan(samplePlanInput(sampleCluster(), sampleCandidates(4))));
  const container = children.daemonSets[0]?.spec?.template.spec?.containers[0];
  assert.deepEqual(container?.livenessProbe?.httpGet, { path: '/-/live', port: 9000 });
  assert.deepEqual(container?.readinessProbe?.httpGet, { path: '/readyz', port: 9002 });
  assert.deepEqual(container?.startupProbe?.httpGet, { path: '/readyz', port: 9002 });
  assert.deepEqual(container?.args, ['--config', '/etc/openlake/$(NODE_NAME).toml']);
  assert.equal(container?.volumeMounts?.find((mount) => mount.name === 'drives')?.mountPropagation, 'HostToContainer');
});

test('only raw devices make a pod privileged', () => {
  const directories = applied(plan(samplePlanInput(sampleCluster(), sampleCandidates(4))));
  assert.equal(directories.children.daemonSets[0]?.spec?.template.spec?.containers[0]?.securityContext?.privileged, undefined);
  const cluster = sampleCluster(({ pool }) => Object.assign(pool, { drives: { devices: { paths: ['/dev/nvme0n1'] } } }));
  const devices = applied(plan(samplePlanInput(cluster, sampleCandidates(4))));
  assert.equal(devices.children.daemonSets[0]?.spec?.template.spec?.containers[0]?.securityContext?.privileged, true);
  assert.equal(configs(devices)[0]?.drives[0]?.device, '/dev/nvme0n1');
});

function seccompProfile(engine: string): string | undefined {
  const cluster = sampleCluster(({ spec }) => Object.assign(spec, { io: { engine } }));
  const { children } = applied(plan(samplePlanInput(cluster, sampleCandidates(4))));
  return children.daemonSets[0]?.spec?.template.spec?.securityContext?.seccompProfile?.type;
}

test('the seccomp profile follows the engine', () => {
  assert.deepEqual(['Auto', 'Uring', 'Poll'].map(seccompProfile), ['Unconfined', 'Unconfined', 'RuntimeDefault']);
});

test('children belong to the resource', () => {
  const cluster = sampleCluster(({ metadata }) => Object.assign(metadata, { uid: 'uid-1' }));
  const { children } = applied(plan(samplePlanInput(cluster, sampleCandidates(4))));
  for (const child of [children.config, children.serviceAccount, ...children.services, ...children.daemonSets]) {
    assert.equal(child?.metadata?.ownerReferences?.[0]?.uid, 'uid-1');
    assert.equal(child?.metadata?.labels?.['app.kubernetes.io/instance'], 'sample');
  }
});

function warnings(count: number, erasure: object): readonly string[] {
  const cluster = sampleCluster(({ pool }) => Object.assign(pool, { nodes: { count, gpu: 'Ignore', rdma: 'Ignore' }, erasure }));
  return applied(plan(samplePlanInput(cluster, sampleCandidates(count, 2)))).warnings;
}

test('what a layout costs is said before anything is created', () => {
  assert.deepEqual(warnings(4, { setSize: 4, parity: 2 }), []);
  assert.deepEqual(warnings(2, { setSize: 2, parity: 1 }), [
    'pool p0: writes stop while any one node is away (1+1)',
    'pool p0: with one parity shard a write made while a drive is away has no spare shard until healed',
  ]);
});

test('a pool without a sensible default says what to write', () => {
  const cluster = sampleCluster(({ pool }) => {
    delete pool['erasure'];
    pool['nodes'] = { count: 2, gpu: 'Ignore', rdma: 'Ignore' };
  });
  const result = plan(samplePlanInput(cluster, sampleCandidates(2)));
  assert.deepEqual(result, {
    kind: 'blocked',
    reason: 'LayoutImpossible',
    message:
      'pool p0: 2 nodes x 1 drives have no default coding that keeps writes on without one node: it needs erasure.setSize (2) and erasure.parity, both written when the resource is created',
    rejected: [],
  });
});

test('quantities are bytes', () => {
  assert.deepEqual(['1024', '512Mi', '8Gi', '1Ti', '4Ki'].map(parseBytes), [1024, 536870912, 8589934592, 1099511627776, 4096]);
});

test('the largest cluster fits into one Secret, and each node reads the whole of it', () => {
  // As the API server counts: bytes of all values.
  const MAXIMUM_SECRET_BYTES = 1_048_576;
  const cluster = sampleCluster(({ pool }) => {
    const names = Array.from({ length: 64 }, (_, index) => `nvme-${index}`);
    Object.assign(pool, {
      nodes: { count: 128, gpu: 'Ignore', rdma: 'Ignore' },
      drives: { directories: { parent: '/mnt/openlake', names } },
    });
    pool['erasure'] = { setSize: 16, parity: 4 };
  });
  const { children } = applied(plan(samplePlanInput(cluster, sampleCandidates(128))));
  const bytes = Object.values(children.config.stringData).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  assert.ok(bytes < MAXIMUM_SECRET_BYTES, `${bytes} bytes`);
  const [name, text = ''] = [...wholeConfigs(children.config.stringData)].at(-1) ?? [];
  const parsed = parseNodeConfig(text);
  assert.ok(parsed.kind === 'ok');
  assert.equal(parsed.config.node.name, name);
  assert.deepEqual([parsed.config.nodes.length, parsed.config.sets.length, parsed.config.drives.length], [128, 512, 64]);
  assert.equal(children.configHashes.get(name ?? ''), configHash(parsed.config));
});
