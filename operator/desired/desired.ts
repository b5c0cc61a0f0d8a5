/**
 * Everything that should exist for a cluster, in the order in which it is applied. Pure: resource, members, layout and
 * secrets in, objects out.
 *
 * The same objects go to an API server (apply/) or are run as processes on this machine (local/).
 */
import type { V1DaemonSet, V1Secret, V1Service, V1ServiceAccount } from '@kubernetes/client-node';
import { type DesiredInput, renderConfigs } from './config.ts';
import { poolDaemonSet } from './daemonset.ts';
import { desiredGuard, type Guard } from './guard.ts';
import { childMetadata, configSecretName } from './names.ts';
import { clientService, headlessService } from './services.ts';

export type Children = {
  /** One key `<node>.toml` per member, what they share, and the files that they name. */
  readonly config: V1Secret & { readonly stringData: Readonly<Record<string, string>> };
  /** Of each node's configuration by node name. */
  readonly configHashes: ReadonlyMap<string, string>;
  /** Absent where the user named an existing one. */
  readonly serviceAccount: V1ServiceAccount | undefined;
  readonly services: readonly V1Service[];
  readonly daemonSets: readonly V1DaemonSet[];
  /** Absent where it is turned off. */
  readonly guard: Guard | undefined;
};

/** The children of a cluster. */
export function desiredChildren(input: DesiredInput): Children {
  const { cluster } = input;
  const configs = renderConfigs(input);
  const account = cluster.spec.pod.serviceAccountName;
  return {
    config: {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: childMetadata(cluster, configSecretName(cluster)),
      type: 'Opaque',
      stringData: configs.files,
    },
    configHashes: configs.hashes,
    serviceAccount:
      account === undefined
        ? {
            apiVersion: 'v1',
            kind: 'ServiceAccount',
            metadata: childMetadata(cluster, `${cluster.metadata.name}-node`),
            automountServiceAccountToken: false,
          }
        : undefined,
    services: [headlessService(cluster), clientService(cluster)],
    guard: desiredGuard(input),
    daemonSets: cluster.spec.pools.map((pool) => poolDaemonSet(input, pool)),
  };
}
