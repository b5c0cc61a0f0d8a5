/**
 * The one writer of status: writes it whole, when it differs from what the API server has, and only over the version that
 * the pass had read, so that two operators can never decide twice.
 */
import { GROUP, KIND, VERSION } from '../api/cluster.ts';
import type { ClusterStatus } from '../api/status.ts';
import { hashOf } from '../desired/hash.ts';
import type { KubeClient } from '../kube/client.ts';
import { applyStatus } from '../kube/patch.ts';
import type { ObservedCluster } from '../plan/snapshot.ts';

/** Returns whether something was written. Throws a conflict when the resource changed since it was read. */
export async function writeStatus(
  client: KubeClient,
  write: { readonly cluster: ObservedCluster; readonly resourceVersion: string; readonly status: ClusterStatus },
): Promise<boolean> {
  const { cluster, status, resourceVersion } = write;
  if (hashOf(status) === hashOf(cluster.status)) return false;
  const metadata = { name: cluster.name, namespace: cluster.namespace, resourceVersion };
  await applyStatus(client, { apiVersion: `${GROUP}/${VERSION}`, kind: KIND, metadata, status });
  return true;
}
