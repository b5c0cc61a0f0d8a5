/**
 * A Node object as a kubelet would register it: Ready, with an address of its own on loopback, its Lease renewed.
 *
 * Without renewal the node controller would mark it NotReady within a minute, and its pods with it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { V1Node } from '@kubernetes/client-node';
import type { ControlPlane } from './control-plane.ts';

export type FakeNode = AsyncDisposable & {
  readonly name: string;
  readonly address: string;
  /** Sets labels; null removes one. */
  readonly label: (labels: Readonly<Record<string, string | null>>) => Promise<void>;
};

export type NodeOptions = {
  readonly name: string;
  readonly address: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Added to processors, memory and pods. */
  readonly allocatable?: Readonly<Record<string, string>>;
};

const RENEW_MS = 5_000;

/** Labels of a node with an NVIDIA GPU and RDMA, as Node Feature Discovery and the GPU operator write them. */
export const GPU_AND_RDMA: Readonly<Record<string, string>> = {
  'nvidia.com/gpu.present': 'true',
  'feature.node.kubernetes.io/rdma.available': 'true',
};

/** Registers a Ready node; disposing of it deletes the Node. */
export async function createNode(plane: ControlPlane, options: NodeOptions): Promise<FakeNode> {
  const { name, address } = options;
  const { admin } = plane;
  const path = `/api/v1/nodes/${name}`;
  await admin.must('POST', '/api/v1/nodes', {
    body: {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', ...options.labels } },
    },
  });
  const lease = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
  await admin.must('POST', lease, {
    body: {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name, namespace: 'kube-node-lease' },
      spec: { holderIdentity: name, leaseDurationSeconds: 40, renewTime: microTime() },
    },
  });
  await admin.must('PATCH', `${path}/status`, { type: 'merge-patch', body: { status: nodeStatus(options) } });
  await removeStartupTaints(plane, name);
  const timer = setInterval(() => {
    const renewal = { spec: { renewTime: microTime() } };
    // The API server may be restarting: the next renewal comes soon.
    admin.request('PATCH', `${lease}/${name}`, { type: 'merge-patch', body: renewal }).catch(() => undefined);
  }, RENEW_MS);
  return {
    name,
    address,
    label: async (labels) => {
      await admin.must('PATCH', path, { type: 'merge-patch', body: { metadata: { labels } } });
    },
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await admin.request('DELETE', path).catch(() => undefined);
      await admin.request('DELETE', `${lease}/${name}`).catch(() => undefined);
    },
  };
}

/** The node controller takes its not-ready taint away by itself, but only at its next look. */
async function removeStartupTaints(plane: ControlPlane, name: string): Promise<void> {
  const endMs = performance.now() + 30_000;
  for (;;) {
    const node = await plane.admin.must<V1Node>('GET', `/api/v1/nodes/${name}`);
    const taints = node.spec?.taints ?? [];
    if (!taints.some((taint) => taint.key.startsWith('node.kubernetes.io/'))) return;
    if (performance.now() > endMs) throw new Error(`node ${name} keeps its taints: ${JSON.stringify(taints)}`);
    await sleep(100);
  }
}

function nodeStatus(options: NodeOptions): object {
  const now = new Date().toISOString();
  const amounts = { cpu: '16', memory: '64Gi', pods: '110', 'ephemeral-storage': '100Gi', ...options.allocatable };
  const condition = (type: string, status: 'True' | 'False', reason: string): object => ({
    type,
    status,
    reason,
    message: reason,
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  });
  return {
    capacity: amounts,
    allocatable: amounts,
    addresses: [
      { type: 'InternalIP', address: options.address },
      { type: 'Hostname', address: options.name },
    ],
    conditions: [
      condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory'),
      condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure'),
      condition('PIDPressure', 'False', 'KubeletHasSufficientPID'),
      condition('Ready', 'True', 'KubeletReady'),
    ],
    nodeInfo: {
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      bootID: options.name,
      containerRuntimeVersion: 'processes://1.0.0',
      kernelVersion: '6.12.0',
      kubeProxyVersion: '',
      kubeletVersion: 'v1.36.3',
      machineID: options.name,
      operatingSystem: 'linux',
      osImage: 'processes',
      systemUUID: options.name,
    },
  };
}

/** Lease times have microseconds; with milliseconds the API server refuses them. */
function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z');
}
