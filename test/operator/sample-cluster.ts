/** Valid resources for tests, as a user writes them and with defaults filled in. */
import { joinParts, SHARED_FILE } from '../../node/config/file.ts';
import type { OpenLakeCluster } from '../../operator/api/cluster.ts';
import { validateCluster } from '../../operator/api/validate.ts';
import type { ClusterSecrets } from '../../operator/desired/config.ts';
import type { Candidate } from '../../operator/plan/membership.ts';
import type { PlanInput } from '../../operator/plan/plan.ts';

type Json = { [key: string]: unknown };

/** The document of a small cluster; `change` may edit it in any way. */
export function sampleDocument(change: (document: { spec: Json; metadata: Json; pool: Json } & Json) => void = () => undefined): Json {
  const pool: Json = {
    name: 'p0',
    nodes: { count: 4, gpu: 'Ignore', rdma: 'Ignore' },
    drives: { directories: { parent: '/mnt/openlake', names: ['d0'], mountCheck: 'Directory' } },
    erasure: { setSize: 4, parity: 2 },
  };
  const document = {
    apiVersion: 'openlake.dev/v1alpha1',
    kind: 'OpenLakeCluster',
    metadata: { name: 'sample' },
    spec: { version: '0.1.0', pools: [pool] },
  };
  const handle = { ...document, spec: document.spec as Json, metadata: document.metadata as Json, pool };
  change(handle);
  return document;
}

/** The resource; throws when `change` made it invalid. */
export function sampleCluster(change?: Parameters<typeof sampleDocument>[0]): OpenLakeCluster {
  const result = validateCluster(sampleDocument(change));
  if (result.kind === 'invalid') throw new Error(`the sample is invalid: ${JSON.stringify(result.problems)}`);
  return result.cluster;
}

export const sampleSecrets: ClusterSecrets = {
  peerSecrets: ['ab'.repeat(32)],
  adminToken: 'sample-admin-token',
  credentials: [{ accessKey: 'AKIASAMPLE', secretKey: 'sample-secret-key' }],
};

/** Nodes node-0, node-1, ... with addresses 10.0.0.1, ..., spread over `zones`. */
export function sampleCandidates(count: number, zones = 1): Candidate[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `node-${index}`,
    address: `10.0.0.${index + 1}`,
    labels: { 'topology.kubernetes.io/zone': `zone-${index % zones}` },
    resources: [],
  }));
}

/** A plan for a new cluster. */
export function samplePlanInput(cluster: OpenLakeCluster, candidates: readonly Candidate[]): PlanInput {
  return {
    cluster,
    candidates,
    secrets: sampleSecrets,
    recorded: { clusterId: 'c'.repeat(32), bootstrapped: false, members: [], layout: undefined },
  };
}

/** Each node's whole configuration by node name, from the files of the Secret. */
export function wholeConfigs(files: Readonly<Record<string, string>>): Map<string, string> {
  const shared = files[SHARED_FILE] ?? '';
  const nodes = Object.entries(files).filter(([file]) => file.endsWith('.toml') && file !== SHARED_FILE);
  return new Map(nodes.map(([file, own]) => [file.replace(/\.toml$/, ''), joinParts(own, shared)]));
}
