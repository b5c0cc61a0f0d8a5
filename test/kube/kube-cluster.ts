/**
 * A namespace with an OpenLakeCluster in it, on the real control plane: nodes, their kubelets, the operator under its own
 * ServiceAccount, and what a test does with them.
 */
import { randomInt } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { V1Secret } from '@kubernetes/client-node';
import type { OpenLakeCluster } from '../../operator/api/cluster.ts';
import type { ClusterStatus } from '../../operator/api/status.ts';
import { clusterRules, leaseRules, namespaceRules } from '../../operator/kube/permissions.ts';
import { type Finished, runProgram } from '../cluster/cluster.ts';
import { pythonFolder } from '../provision/python-clients.mjs';
import type { ControlPlane } from './control-plane.ts';
import { createNode, type FakeNode, type NodeOptions } from './fake-node.ts';
import { type PodRunner, startPodRunner } from './pod-runner.ts';
import { logTail, type Service, startService } from './service.ts';
import { proxyService, type ServiceProxy } from './service-proxy.ts';
import { createNamespace, root } from './shared.ts';

/** How long anything may take to get where a test wants it; generous, since machines are slow and shared. */
const PATIENCE_MS = 180_000;

export type Credentials = { readonly accessKey: string; readonly secretKey: string };

export type KubeCluster = AsyncDisposable & {
  readonly plane: ControlPlane;
  readonly namespace: string;
  readonly nodes: readonly FakeNode[];
  readonly runner: PodRunner;
  /** Starts one more operator process; `podName` is its identity, as of a container that is restarted in its pod. */
  readonly startOperator: (podName?: string) => Promise<Service>;
  /** Creates or changes the resource as a user would, with `kubectl apply --server-side`. */
  readonly apply: (spec: object, name?: string) => Promise<void>;
  readonly get: (name?: string) => Promise<OpenLakeCluster>;
  readonly remove: (name?: string) => Promise<void>;
  /** Polls until the resource is as wanted; the error shows its last status and the operator's log. */
  readonly waitFor: (
    what: string,
    wanted: (status: ClusterStatus, object: OpenLakeCluster) => boolean,
    name?: string,
  ) => Promise<ClusterStatus>;
  readonly waitUntil: (what: string, wanted: () => Promise<boolean> | boolean) => Promise<void>;
  readonly secret: (name: string) => Promise<Readonly<Record<string, string>>>;
  readonly aws: (access: { readonly endpoint: string; readonly credentials: Credentials }, ...args: readonly string[]) => Promise<Finished>;
  readonly proxy: (service: string) => Promise<ServiceProxy>;
};

/** The condition of a type. */
export function condition(
  status: ClusterStatus,
  type: string,
): { readonly status: string; readonly reason: string; readonly message: string } {
  return (status.conditions ?? []).find((candidate) => candidate.type === type) ?? { status: 'absent', reason: '', message: '' };
}

/**
 * Nodes in a namespace with the operator's rights; `drives` are folders that an administrator made on each of them before.
 * Dispose of it with `await using`.
 */
export async function startKubeCluster(
  plane: ControlPlane,
  options: { readonly nodes: readonly Pick<NodeOptions, 'labels' | 'allocatable'>[]; readonly drives?: readonly string[] },
): Promise<KubeCluster> {
  const namespace = await createNamespace(plane);
  await plane.apply(...operatorRights(namespace));
  const block = await freeBlock(options.nodes.length);
  const nodes: readonly FakeNode[] = await Promise.all(
    options.nodes.map((node, index) => createNode(plane, { ...node, name: `${namespace}-${index}`, address: `${block}.${index + 1}` })),
  );
  const runner = startPodRunner(plane, { nodes, applicationRoot: root, entrypoint: ['node', '/app/operator/main.ts'] });
  for (const node of nodes) for (const drive of options.drives ?? []) mkdirSync(runner.hostFolder(node.name, drive), { recursive: true });
  const operators: Service[] = [];
  const collection = `/apis/openlake.dev/v1alpha1/namespaces/${namespace}/openlakeclusters`;
  const get = (name = 'minimal'): Promise<OpenLakeCluster> => plane.admin.must<OpenLakeCluster>('GET', `${collection}/${name}`);
  const explain = async (name: string): Promise<string> => {
    const status: unknown = await get(name).then((object) => object.status, String);
    const logs = operators.map((operator) => `operator ${operator.pid} (${operator.ended() ?? 'runs'}):\n${logTail(operator, 60)}`);
    const pods = await plane.kubectl('get', 'pods', '-n', namespace, '-o', 'wide');
    return `${JSON.stringify(status, null, 1)}\n${pods.stdout}\n${logs.join('\n')}`;
  };
  const waitUntil = async (what: string, wanted: () => Promise<boolean> | boolean, name = 'minimal'): Promise<void> => {
    const endMs = performance.now() + PATIENCE_MS;
    while (!(await wanted())) {
      if (performance.now() > endMs) throw new Error(`waited for ${what} in vain: ${await explain(name)}`);
      await sleep(200);
    }
  };
  return {
    plane,
    namespace,
    nodes,
    runner,
    startOperator: async (podName) => {
      const kubeconfig = await plane.serviceAccountKubeconfig(namespace, 'openlake-operator');
      const number = operators.length;
      const operator = startService(`operator ${number}`, {
        command: process.execPath,
        args: [join(root, 'operator/main.ts'), '--kubeconfig', kubeconfig, '--namespace', namespace, '--health-address', '127.0.0.1:0'],
        logFile: join(plane.folder, `operator-${namespace}-${number}.log`),
        env: { POD_NAME: podName ?? `operator-${number}`, POD_NAMESPACE: namespace },
      });
      operators.push(operator);
      return operator;
    },
    apply: async (spec, name = 'minimal') => {
      await plane.apply({ apiVersion: 'openlake.dev/v1alpha1', kind: 'OpenLakeCluster', metadata: { name, namespace }, spec });
    },
    get,
    remove: async (name = 'minimal') => {
      await plane.kubectlMust('delete', 'openlakecluster', name, '-n', namespace, '--wait=true', '--timeout=120s');
    },
    waitFor: async (what, wanted, name = 'minimal') => {
      let last: ClusterStatus | undefined;
      await waitUntil(
        what,
        async () => {
          try {
            const object = await get(name);
            last = object.status;
            return last !== undefined && wanted(last, object);
          } catch {
            // The API server may be restarting.
            return false;
          }
        },
        name,
      );
      return last as unknown as ClusterStatus;
    },
    waitUntil,
    secret: async (name) => {
      const { data } = await plane.admin.must<V1Secret>('GET', `/api/v1/namespaces/${namespace}/secrets/${name}`);
      const entries = Object.entries(data ?? {});
      return Object.fromEntries(entries.map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
    },
    aws: (access, ...args) =>
      runProgram(join(pythonFolder, 'bin/aws'), {
        args,
        env: {
          AWS_ENDPOINT_URL: access.endpoint,
          AWS_ACCESS_KEY_ID: access.credentials.accessKey,
          AWS_SECRET_ACCESS_KEY: access.credentials.secretKey,
          AWS_REGION: 'us-east-1',
          AWS_DEFAULT_REGION: 'us-east-1',
          AWS_EC2_METADATA_DISABLED: 'true',
          AWS_CONFIG_FILE: '/dev/null',
          AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
        },
      }),
    proxy: (service) => proxyService(plane, { namespace, name: service, port: 's3' }),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(operators.map((operator) => operator.stop('SIGKILL')));
      await runner[Symbol.asyncDispose]();
      await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
    },
  };
}

/** A ServiceAccount with the operator's rights in a namespace, and nothing else. */
export function operatorRights(namespace: string): object[] {
  const name = 'openlake-operator';
  const api = 'rbac.authorization.k8s.io';
  const subjects = [{ kind: 'ServiceAccount', name, namespace }];
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } },
    { apiVersion: `${api}/v1`, kind: 'Role', metadata: { name, namespace }, rules: [...namespaceRules, ...leaseRules] },
    {
      apiVersion: `${api}/v1`,
      kind: 'RoleBinding',
      metadata: { name, namespace },
      roleRef: { apiGroup: api, kind: 'Role', name },
      subjects,
    },
    { apiVersion: `${api}/v1`, kind: 'ClusterRole', metadata: { name: `${namespace}-${name}` }, rules: clusterRules },
    {
      apiVersion: `${api}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: `${namespace}-${name}` },
      roleRef: { apiGroup: api, kind: 'ClusterRole', name: `${namespace}-${name}` },
      subjects,
    },
  ];
}

/**
 * `198.18.x` such that port 9000 is free on the first addresses of it. The API server takes no loopback address for an
 * endpoint, so the machine is told that this block, reserved for tests of networks, is its own.
 */
async function freeBlock(count: number): Promise<string> {
  await runProgram('ip', { args: ['route', 'replace', 'local', '198.18.0.0/16', 'dev', 'lo'], env: {} });
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const block = `198.18.${randomInt(1, 255)}`;
    const free = await Promise.all(Array.from({ length: count }, (_, index) => isFree(`${block}.${index + 1}`)));
    if (free.every(Boolean)) return block;
  }
  throw new Error(`found no block of ${count} free addresses`);
}

function isFree(host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port: 9000, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
