/**
 * A real Kubernetes control plane on loopback: etcd, kube-apiserver with RBAC, kube-controller-manager, kube-scheduler.
 *
 * Ready within seconds. The API server makes its own certificate (it is then its own authority for kubeconfigs), callers
 * show static tokens, the components run under their own RBAC users. Stop order: API server before etcd, or its shutdown
 * hangs for a minute.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Finished, runProgram } from '../cluster/cluster.ts';
import { toolPath } from '../provision/go-tools.mjs';
import { type ApiClient, apiClient } from './api-client.ts';
import { freePort, type Service, startService, waitForService } from './service.ts';

export type ControlPlane = AsyncDisposable & {
  /** Logs, certificates, kubeconfigs and etcd's data. */
  readonly folder: string;
  readonly server: string;
  /** As cluster administrator. */
  readonly admin: ApiClient;
  readonly adminKubeconfig: string;
  /** A kubeconfig file with a fresh token of a ServiceAccount, which must exist. */
  readonly serviceAccountKubeconfig: (namespace: string, name: string) => Promise<string>;
  /** Runs kubectl as administrator; never throws for a non-zero exit. */
  readonly kubectl: (...args: readonly string[]) => Promise<Finished>;
  /** As `kubectl`, but throws for a non-zero exit; the standard output. */
  readonly kubectlMust: (...args: readonly string[]) => Promise<string>;
  /** Applies objects as administrator with `kubectl apply --server-side`. */
  readonly apply: (...objects: readonly object[]) => Promise<string>;
  /** Ends the API server and starts it again on the same port, with the same keys and etcd. */
  readonly restartApiServer: () => Promise<void>;
};

const TOKENS = {
  admin: ['admin', 'system:masters'],
  controllers: ['system:kube-controller-manager', ''],
  scheduler: ['system:kube-scheduler', ''],
} as const;

/** Starts a control plane in a fresh folder; dispose of it with `await using`. */
export async function startControlPlane(): Promise<ControlPlane> {
  const missing = (['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubectl'] as const).filter(
    (name) => !existsSync(toolPath(name)),
  );
  if (missing.length > 0)
    throw new Error(`Cannot start a control plane without ${missing.join(', ')}: build them with node test/provision/go-tools.mjs`);
  const folder = mkdtempSync(join(tmpdir(), 'openlake-kube-'));
  const file = (name: string): string => join(folder, name);
  mkdirSync(file('certificates'));
  const services: { etcd?: Service; server?: Service; controllers?: Service; scheduler?: Service } = {};
  const dispose = async (): Promise<void> => {
    await Promise.all([services.controllers?.stop('SIGTERM', 3000), services.scheduler?.stop('SIGTERM', 3000)]);
    await services.server?.stop('SIGTERM', 3000);
    await services.etcd?.stop('SIGTERM', 3000);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const [clientPort, peerPort, securePort] = await Promise.all([freePort(), freePort(), freePort()]);
    const server = `https://127.0.0.1:${securePort}`;
    const tokens = writeTokens(file('tokens.csv'));
    writeServiceAccountKeys(file('service-account.key'), file('service-account.pub'));
    services.etcd = startService('etcd', {
      command: toolPath('etcd'),
      args: etcdFlags(file('etcd'), { client: `http://127.0.0.1:${clientPort}`, peer: `http://127.0.0.1:${peerPort}` }),
      logFile: file('etcd.log'),
    });
    const startServer = async (): Promise<ApiClient> => {
      const service = startService('kube-apiserver', {
        command: toolPath('kube-apiserver'),
        args: serverFlags(file, { etcd: `http://127.0.0.1:${clientPort}`, securePort }),
        logFile: file('kube-apiserver.log'),
      });
      services.server = service;
      return waitForService(service, async () => {
        if (!existsSync(file('certificates/apiserver.crt'))) return undefined;
        const client = apiClient({ server, ca: readFileSync(file('certificates/apiserver.crt'), 'utf8'), token: tokens.admin });
        const ready = await client.request('GET', '/readyz').catch(() => undefined);
        return ready?.status === 200 ? client : undefined;
      });
    };
    const admin = await startServer();
    const kubeconfig = (name: string, token: string): string =>
      writeKubeconfig(file(`${name}.kubeconfig`), { server, ca: admin.ca, token });
    const adminKubeconfig = kubeconfig('admin', tokens.admin);
    services.controllers = startService('kube-controller-manager', {
      command: toolPath('kube-controller-manager'),
      args: controllerFlags(file, kubeconfig('controllers', tokens.controllers)),
      logFile: file('kube-controller-manager.log'),
    });
    services.scheduler = startService('kube-scheduler', {
      command: toolPath('kube-scheduler'),
      args: schedulerFlags(kubeconfig('scheduler', tokens.scheduler)),
      logFile: file('kube-scheduler.log'),
    });
    await waitForService(services.controllers, async () => {
      const account = await admin.request('GET', '/api/v1/namespaces/default/serviceaccounts/default').catch(() => undefined);
      return account?.status === 200 ? true : undefined;
    });
    const kubectl: ControlPlane['kubectl'] = (...args) =>
      runProgram(toolPath('kubectl'), { args, env: { KUBECONFIG: adminKubeconfig, KUBECACHEDIR: file('kubectl-cache') } });
    const kubectlMust: ControlPlane['kubectlMust'] = async (...args) => {
      const finished = await kubectl(...args);
      if (finished.code !== 0) throw new Error(`kubectl ${args.join(' ')} ended with ${finished.code}:\n${finished.stderr}`);
      return finished.stdout;
    };
    let counter = 0;
    return {
      folder,
      server,
      admin,
      adminKubeconfig,
      serviceAccountKubeconfig: async (namespace, name) => {
        const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
        const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 7200 } };
        const answer = await admin.must<{ status: { token: string } }>('POST', path, { body: request });
        counter += 1;
        return kubeconfig(`${namespace}-${name}-${counter}`, answer.status.token);
      },
      kubectl,
      kubectlMust,
      apply: async (...objects) => {
        counter += 1;
        const list = file(`apply-${counter}.json`);
        writeFileSync(list, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
        return kubectlMust('apply', '--server-side', '-f', list);
      },
      restartApiServer: async () => {
        await services.server?.stop('SIGTERM', 2000);
        await startServer();
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

function etcdFlags(data: string, urls: { readonly client: string; readonly peer: string }): string[] {
  return [
    `--data-dir=${data}`,
    `--listen-client-urls=${urls.client}`,
    `--advertise-client-urls=${urls.client}`,
    `--listen-peer-urls=${urls.peer}`,
    `--initial-advertise-peer-urls=${urls.peer}`,
    `--initial-cluster=default=${urls.peer}`,
    '--unsafe-no-fsync',
    '--log-level=warn',
  ];
}

function serverFlags(file: (name: string) => string, at: { readonly etcd: string; readonly securePort: number }): string[] {
  return [
    `--etcd-servers=${at.etcd}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    `--secure-port=${at.securePort}`,
    `--cert-dir=${file('certificates')}`,
    `--token-auth-file=${file('tokens.csv')}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${file('service-account.pub')}`,
    `--service-account-signing-key-file=${file('service-account.key')}`,
    '--service-cluster-ip-range=10.0.0.0/24',
    '--allow-privileged=true',
    '--endpoint-reconciler-type=none',
    '--profiling=false',
    // Nothing waits for load balancers here, so a restart may be quick.
    '--shutdown-delay-duration=0s',
  ];
}

/** The rates: with the defaults the default ServiceAccount takes ten seconds. */
function controllerFlags(file: (name: string) => string, kubeconfig: string): string[] {
  return [
    ...componentFlags(kubeconfig),
    '--use-service-account-credentials=true',
    `--service-account-private-key-file=${file('service-account.key')}`,
    `--root-ca-file=${file('certificates/apiserver.crt')}`,
    '--controllers=*',
    '--kube-api-qps=500',
    '--kube-api-burst=1000',
  ];
}

function schedulerFlags(kubeconfig: string): string[] {
  return componentFlags(kubeconfig);
}

function componentFlags(kubeconfig: string): string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    '--leader-elect=false',
    '--secure-port=0',
  ];
}

function writeTokens(path: string): Record<keyof typeof TOKENS, string> {
  const made = Object.entries(TOKENS).map(([name, [user, group]]) => ({ name, user, group, token: randomBytes(16).toString('hex') }));
  const lines = made.map(({ user, group, token }) => `${token},${user},${user}${group === '' ? '' : `,"${group}"`}\n`);
  writeFileSync(path, lines.join(''), { mode: 0o600 });
  return Object.fromEntries(made.map(({ name, token }) => [name, token])) as Record<keyof typeof TOKENS, string>;
}

function writeServiceAccountKeys(privateFile: string, publicFile: string): void {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(privateFile, privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 });
  writeFileSync(publicFile, publicKey.export({ type: 'spki', format: 'pem' }));
}

/** JSON is YAML, so a kubeconfig may be JSON. */
function writeKubeconfig(path: string, access: { readonly server: string; readonly ca: string; readonly token: string }): string {
  const cluster = { server: access.server, 'certificate-authority-data': Buffer.from(access.ca).toString('base64') };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'test', user: { token: access.token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', namespace: 'default' } }],
    'current-context': 'test',
  };
  writeFileSync(path, JSON.stringify(config, null, 1), { mode: 0o600 });
  return path;
}
