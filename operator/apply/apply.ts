/**
 * Carries out the actions of a pass, in their order: the only writer on the API server. It decides nothing.
 *
 * A child whose desired-hash annotation is what it should be is not written again. An object of the same name that somebody
 * else made is never taken over.
 */
import type { KubernetesObject } from '@kubernetes/client-node';
import { DESIRED_HASH, FINALIZER } from '../api/annotations.ts';
import { hashOf } from '../desired/hash.ts';
import { MANAGER } from '../desired/names.ts';
import type { KubeClient } from '../kube/client.ts';
import { isConflict, isNotFound } from '../kube/errors.ts';
import { applyObject, createObject, deleteObject, getObject, mergeObject } from '../kube/patch.ts';
import { type Resource, resourceOf, resources } from '../kube/resources.ts';
import type { Action } from '../plan/actions.ts';
import type { ObservedCluster } from '../plan/snapshot.ts';

export type ApplyContext = {
  readonly client: KubeClient;
  readonly cluster: ObservedCluster;
  /** The local copy of an object, if there is one. */
  readonly lookup: (kind: string, name: string) => KubernetesObject | undefined;
  /** Write children even when their annotation matches: undoes what others changed. */
  readonly isFullPass: boolean;
};

/** An object stands where a child should, and is not ours. */
export class ChildNotOurs extends Error {
  constructor(object: KubernetesObject) {
    super(`${object.kind} ${object.metadata?.namespace}/${object.metadata?.name} exists and is not this resource's: rename or remove it`);
    this.name = 'ChildNotOurs';
  }
}

/** Carries out all actions; returns the resourceVersion of the resource afterwards. Throws at the first that fails. */
export async function applyActions(actions: readonly Action[], context: ApplyContext): Promise<string> {
  let { resourceVersion } = context.cluster;
  for (const action of actions)
    resourceVersion = (await applyAction(action, { ...context, cluster: { ...context.cluster, resourceVersion } })) ?? resourceVersion;
  return resourceVersion;
}

async function applyAction(action: Action, context: ApplyContext): Promise<string | undefined> {
  const { client, cluster } = context;
  const { namespace } = cluster;
  switch (action.kind) {
    case 'add-finalizer':
      return await writeFinalizers(context, [...cluster.finalizers, FINALIZER]);
    case 'remove-finalizer':
      return await writeFinalizers(
        context,
        cluster.finalizers.filter((name) => name !== FINALIZER),
      );
    case 'create':
      await createObject(client, encodeSecret(action.object));
      return undefined;
    case 'apply':
      await applyChild(action, context);
      return undefined;
    case 'delete-child': {
      const resource = childResource(action.childKind);
      await gone(deleteObject(client, resource, { namespace, name: action.name, uid: action.uid, propagation: 'Background' }));
      return undefined;
    }
    case 'delete-pod':
      await gone(deleteObject(client, resources.pods, { namespace, name: action.name, uid: action.uid }));
      return undefined;
    default:
      return action satisfies never;
  }
}

async function writeFinalizers(context: ApplyContext, finalizers: readonly string[]): Promise<string | undefined> {
  const { name, namespace, resourceVersion } = context.cluster;
  const body = { metadata: { finalizers, resourceVersion } };
  const written = await mergeObject(context.client, resources.clusters, { namespace, name, body });
  return written.metadata?.resourceVersion;
}

async function applyChild(action: Extract<Action, { kind: 'apply' }>, context: ApplyContext): Promise<void> {
  const object = withHash(encodeSecret(action.object));
  const { kind = '', metadata } = object;
  const known = context.lookup(kind, metadata?.name ?? '') ?? (await find(object, context.client));
  if (known !== undefined && !isOurs(known, { uid: context.cluster.uid, owned: action.owned })) throw new ChildNotOurs(object);
  const hash = metadata?.annotations?.[DESIRED_HASH];
  if (!context.isFullPass && known?.metadata?.annotations?.[DESIRED_HASH] === hash) return;
  await applyObject(context.client, object);
}

async function find(object: KubernetesObject, client: KubeClient): Promise<KubernetesObject | undefined> {
  try {
    return await getObject(client, resourceOf(object), { namespace: object.metadata?.namespace, name: object.metadata?.name ?? '' });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Children by their owner; Secrets that outlive the resource by the label of the operator. */
function isOurs(object: KubernetesObject, by: { readonly uid: string; readonly owned: boolean }): boolean {
  if (!by.owned) return object.metadata?.labels?.['app.kubernetes.io/managed-by'] === MANAGER;
  return object.metadata?.ownerReferences?.some((owner) => owner.controller === true && owner.uid === by.uid) === true;
}

function withHash(object: KubernetesObject): KubernetesObject {
  const annotations = { ...object.metadata?.annotations, [DESIRED_HASH]: hashOf(object).slice(0, 32) };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

/** The server's own form of a Secret: with stringData, keys that are gone would stay behind. */
function encodeSecret(object: KubernetesObject): KubernetesObject {
  const { stringData, ...rest } = object as KubernetesObject & { stringData?: Readonly<Record<string, string>> };
  if (stringData === undefined) return object;
  const data = Object.fromEntries(Object.entries(stringData).map(([key, value]) => [key, Buffer.from(value).toString('base64')]));
  return { ...rest, data } as KubernetesObject;
}

function childResource(kind: string): Resource {
  const found = Object.values(resources).find((resource) => resource.kind === kind);
  if (found === undefined) throw new Error(`Cannot delete a ${kind}: the operator does not know this kind`);
  return found;
}

/** Gone already, or another one of the same name: both mean that there is nothing left to delete. */
async function gone(deletion: Promise<void>): Promise<void> {
  try {
    await deletion;
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}
