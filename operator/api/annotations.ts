/**
 * Keys that the operator writes on objects, or reads from them, besides the fields of the resource.
 */
import { GROUP } from './cluster.ts';

/** Keeps a deleted resource until its pods are gone. */
export const FINALIZER = `${GROUP}/cluster`;

/** On children: hash of what was applied, so that an unchanged child is not written again. */
export const DESIRED_HASH = `${GROUP}/desired-hash`;

/** On pods and their template: hash of everything that takes a restart. Leaves out the operator's version and the members. */
export const REVISION = `${GROUP}/revision`;

/** Set by a person on the resource, with status.rollout.id as its value: restart although writes stop meanwhile. */
export const APPROVE_ROLLOUT = `${GROUP}/approve-rollout`;

/** On the identity Secret: which cluster's it is. */
export const CLUSTER_ID_LABEL = `${GROUP}/cluster-id`;
