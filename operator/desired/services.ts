/**
 * The two Services: one for clients, one without an address of its own that names every node.
 */
import type { V1Service } from '@kubernetes/client-node';
import type { OpenLakeCluster } from '../api/cluster.ts';
import { childMetadata, selectorLabels } from './names.ts';

/**
 * For S3 clients; only ready nodes stand behind it, the one on the client's own node first (internalTrafficPolicy).
 * Ports of pods go by name: while a port changes, each pod is found where it listens.
 */
export function clientService(cluster: OpenLakeCluster): V1Service {
  const { service, network } = cluster.spec;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      ...childMetadata(cluster, cluster.metadata.name),
      ...(service.annotations === undefined ? {} : { annotations: { ...service.annotations } }),
    },
    spec: {
      type: service.type,
      internalTrafficPolicy: service.internalTrafficPolicy,
      ...(service.loadBalancerClass === undefined ? {} : { loadBalancerClass: service.loadBalancerClass }),
      selector: selectorLabels(cluster),
      ports: [{ name: 's3', port: network.s3Port, targetPort: 's3' }],
    },
  };
}

/** Names every node, ready or not, so that the operator and metrics find them all. */
export function headlessService(cluster: OpenLakeCluster): V1Service {
  const { network } = cluster.spec;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: childMetadata(cluster, `${cluster.metadata.name}-nodes`),
    spec: {
      clusterIP: 'None',
      publishNotReadyAddresses: true,
      selector: selectorLabels(cluster),
      ports: [
        { name: 's3', port: network.s3Port, targetPort: 's3' },
        { name: 'peer', port: network.peerPort, targetPort: 'peer' },
        { name: 'admin', port: network.adminPort, targetPort: 'admin' },
      ],
    },
  };
}
