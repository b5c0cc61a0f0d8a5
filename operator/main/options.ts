/**
 * What the operator's process is told: by arguments, by environment variables of its Deployment, by its service account.
 */
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { KubeConfig } from '@kubernetes/client-node';
import { DEFAULT_HEALTH_ADDRESS } from './help.ts';

export type OperatorOptions = {
  readonly config: KubeConfig;
  readonly namespaces: readonly string[];
  /** Where the Lease is. */
  readonly leaseNamespace: string;
  readonly identity: string;
  readonly healthHost: string;
  readonly healthPort: number;
};

export type OptionSources = {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Unique for this process where no POD_NAME is given. */
  readonly fallbackIdentity: string;
};

const OWN_NAMESPACE_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';
/** Throws Error with what is wrong. */
export function readOptions(args: readonly string[], sources: OptionSources): OperatorOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      kubeconfig: { type: 'string' },
      namespace: { type: 'string', multiple: true },
      'health-address': { type: 'string', default: DEFAULT_HEALTH_ADDRESS },
    },
  });
  const config = new KubeConfig();
  if (values.kubeconfig === undefined) {
    if (!existsSync(OWN_NAMESPACE_FILE)) throw new Error('Cannot start outside of a cluster: expected --kubeconfig FILE');
    config.loadFromCluster();
  } else config.loadFromFile(values.kubeconfig);
  const own =
    existsSync(OWN_NAMESPACE_FILE) && values.kubeconfig === undefined ? readFileSync(OWN_NAMESPACE_FILE, 'utf8').trim() : undefined;
  const context = config.getContextObject(config.getCurrentContext())?.namespace;
  const asked = values.namespace ?? split(sources.env['WATCH_NAMESPACES']);
  const namespaces = asked.length > 0 ? [...new Set(asked)] : [own ?? context ?? 'default'];
  const [, host, port] = /^\[?([^\]]*)\]?:(\d{1,5})$/.exec(values['health-address']) ?? [];
  if (host === undefined || Number(port) > 65_535) {
    throw new Error(`--health-address ${values['health-address']}: expected HOST:PORT, as ${DEFAULT_HEALTH_ADDRESS}`);
  }
  return {
    config,
    namespaces,
    leaseNamespace: sources.env['POD_NAMESPACE'] ?? own ?? namespaces[0] ?? 'default',
    identity: sources.env['POD_NAME'] ?? sources.fallbackIdentity,
    healthHost: host,
    healthPort: Number(port),
  };
}

function split(list: string | undefined): string[] {
  return (list ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
