/**
 * Who a cluster is: its id and inner secrets, generated once and kept in the Secret NAME-identity, together with members
 * and layout.
 *
 * The Secret outlives the resource. A new resource over the same drives must say so (`adopt: <clusterId>`) and then gets
 * the same ids and slots back, which is what the superblocks on the drives demand.
 */
import { CLUSTER_ID_LABEL } from '../api/annotations.ts';
import type { Reason } from '../api/reasons.ts';
import type { LayoutStatus, MemberStatus } from '../api/status.ts';
import { identitySecretName, MANAGER } from '../desired/names.ts';
import type { ObservedCluster, ObservedSecret, Snapshot } from './snapshot.ts';

/** What is remembered of a cluster beside its id. */
export type Remembered = {
  readonly members: readonly MemberStatus[];
  readonly layout: LayoutStatus | undefined;
  readonly bootstrapped: boolean;
};

export type Identity = {
  readonly clusterId: string;
  readonly peerSecrets: readonly string[];
  readonly adminToken: string;
  readonly remembered: Remembered;
};

export type IdentityPlan =
  | { readonly kind: 'known'; readonly identity: Identity }
  | { readonly kind: 'create'; readonly identity: Identity }
  | { readonly kind: 'blocked'; readonly reason: Reason; readonly message: string };

const nothing: Remembered = { members: [], layout: undefined, bootstrapped: false };

/** The identity of the cluster, one to create, or why there must be none. */
export function planIdentity(snapshot: Snapshot, adopt: string | undefined): IdentityPlan {
  const { cluster } = snapshot;
  const own = snapshot.secrets.find((secret) => secret.name === identitySecretName(cluster));
  if (adopt !== undefined) {
    const rival = snapshot.others.find((other) => other.clusterId === adopt);
    if (rival !== undefined) {
      return {
        kind: 'blocked',
        reason: 'AdoptInUse',
        message: `spec.adopt = "${adopt}": ${rival.namespace}/${rival.name} serves this cluster already`,
      };
    }
  }
  if (own !== undefined) return judgeOwn(own, { cluster, adopt });
  const source = adopt === undefined ? undefined : snapshot.secrets.find((secret) => secret.labels[CLUSTER_ID_LABEL] === adopt);
  if (source !== undefined) return { kind: 'create', identity: readIdentity(source) };
  // What status says, and what the nodes were told, stands above anything generated: a lost Secret must neither make
  // another cluster of this one nor set its nodes at odds.
  const { peerSecrets, adminToken } = snapshot.told ?? snapshot.fresh;
  const id = adopt ?? cluster.status.clusterId ?? snapshot.fresh.clusterId;
  return { kind: 'create', identity: { clusterId: id, peerSecrets, adminToken, remembered: nothing } };
}

function judgeOwn(own: ObservedSecret, from: { readonly cluster: ObservedCluster; readonly adopt: string | undefined }): IdentityPlan {
  const { cluster, adopt } = from;
  const identity = readIdentity(own);
  const { clusterId } = identity;
  // Members are kept in it before their first pod: without them there is no data anywhere.
  const isOurs = own.data['ownerUid'] === cluster.uid || identity.remembered.members.length === 0;
  if (adopt !== undefined && adopt !== clusterId) {
    return {
      kind: 'blocked',
      reason: 'DrivesHoldData',
      message: `spec.adopt = "${adopt}": Secret ${own.name} belongs to cluster ${clusterId}; adopt that one, or remove the Secret first`,
    };
  }
  if (!isOurs && adopt === undefined) {
    return {
      kind: 'blocked',
      reason: 'DrivesHoldData',
      message: `an earlier resource of this name left drives with data: set spec.adopt to ${clusterId} to serve it, or remove Secret ${own.name} to begin anew`,
    };
  }
  return { kind: 'known', identity };
}

function readIdentity(secret: ObservedSecret): Identity {
  const { clusterId = '', peerSecret = '', adminToken = '' } = secret.data;
  const text = secret.data['cluster.json'];
  const remembered = text === undefined ? nothing : { ...nothing, ...(JSON.parse(text) as Partial<Remembered>) };
  return { clusterId, peerSecrets: peerSecret.split(',').filter((part) => part !== ''), adminToken, remembered };
}

/** The Secret that keeps an identity; owned by nobody, so that no garbage collector takes it. */
export function identitySecret(
  cluster: ObservedCluster,
  identity: Identity,
): {
  readonly apiVersion: 'v1';
  readonly kind: 'Secret';
  readonly metadata: { readonly name: string; readonly namespace: string; readonly labels: Record<string, string> };
  readonly type: 'Opaque';
  readonly stringData: Record<string, string>;
} {
  const { clusterId, peerSecrets, adminToken, remembered } = identity;
  // Only what must never be decided again; states come and go.
  const members = remembered.members.map(({ id, pool, nodeName, address, zone }) => ({ id, pool, nodeName, address, zone }));
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: identitySecretName(cluster),
      namespace: cluster.namespace,
      labels: {
        'app.kubernetes.io/name': 'openlake',
        'app.kubernetes.io/instance': cluster.name,
        'app.kubernetes.io/managed-by': MANAGER,
        [CLUSTER_ID_LABEL]: clusterId,
      },
    },
    type: 'Opaque',
    stringData: {
      clusterId,
      peerSecret: peerSecrets.join(','),
      adminToken,
      ownerUid: cluster.uid,
      ...(members.length === 0 ? {} : { 'cluster.json': JSON.stringify({ ...remembered, members }) }),
    },
  };
}
