/**
 * All that one pass of the operator knows: a value that does not change, so that planning is a pure function of it.
 *
 * observe/ makes it of the API server's objects and the nodes' answers.
 */
import type { ConfigView, InfoView } from '../../node/admin/schemas.ts';
import type { ClusterStatus } from '../api/status.ts';
import type { ClusterSecrets } from '../desired/config.ts';
import type { Candidate } from './membership.ts';
import type { NodeView } from './sets.ts';

/** The resource as the API server has it, not validated. */
export type ObservedCluster = {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly generation: number;
  readonly resourceVersion: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly finalizers: readonly string[];
  readonly deleting: boolean;
  readonly spec: unknown;
  readonly status: ClusterStatus;
};

export type ObservedNode = Candidate & {
  readonly ready: boolean;
  readonly cordoned: boolean;
  /** Another cluster, as namespace/name, of which it is a member. */
  readonly holder?: string;
};

export type ObservedPod = {
  readonly name: string;
  readonly uid: string;
  readonly nodeName: string;
  readonly pool: string;
  /** Of the template that it was made from. */
  readonly revision: string;
  readonly ready: boolean;
  /** When it became ready; undefined while it is not. */
  readonly readySinceMs: number | undefined;
  /** Its container does not run: deleting it takes nothing away. */
  readonly idle: boolean;
  /** When it was told to end; undefined while it was not. */
  readonly deletedAtMs: number | undefined;
  readonly phase: string;
  /** Where this very pod has its admin API: the resource may ask for another port already. */
  readonly adminPort: number;
  /** Why the container waits or ended, such as ImagePullBackOff; empty while it runs. */
  readonly trouble: string;
};

export type ObservedSecret = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Decoded. */
  readonly data: Readonly<Record<string, string>>;
};

/** A child as far as applying and removing needs it. */
export type ObservedChild = {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
};

/** What one member said about itself; undefined parts were not answered. */
export type ObservedAnswer = {
  readonly info: InfoView | undefined;
  readonly config: ConfigView | undefined;
  readonly view: NodeView | undefined;
  readonly error: string | undefined;
};

export type OtherCluster = { readonly name: string; readonly namespace: string; readonly clusterId: string | undefined };

export type Snapshot = {
  readonly nowMs: number;
  /** Since the Lease was renewed. */
  readonly leaseAgeMs: number;
  readonly cluster: ObservedCluster;
  readonly nodes: readonly ObservedNode[];
  readonly pods: readonly ObservedPod[];
  readonly secrets: readonly ObservedSecret[];
  readonly children: readonly ObservedChild[];
  /** By member id. */
  readonly answers: ReadonlyMap<number, ObservedAnswer>;
  readonly others: readonly OtherCluster[];
  /** What the nodes' configuration says now, as long as there is one; of TLS too, even where its certificate is not there any more. */
  readonly told?: (ClusterSecrets & { readonly peerTlsLost?: boolean }) | undefined;
  /** Hash of each node's whole configuration as it stands there, by node name. */
  readonly toldHashes?: ReadonlyMap<string, string> | undefined;
  /** Random material, to be used where nothing was generated before. */
  readonly fresh: ClusterSecrets & { readonly clusterId: string };
};
