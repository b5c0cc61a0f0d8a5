/**
 * The operator's ways to write: server-side apply with one field manager, merge patches of single fields, create, delete.
 *
 * Server-side apply wants its own content type; with the library's default (json-patch) the server refuses an object.
 */
import type { KubernetesObject } from '@kubernetes/client-node';
import type { KubeClient } from './client.ts';
import { type Resource, resourceOf, resourcePath } from './resources.ts';

/** Owns the fields of children. */
export const FIELD_MANAGER = 'openlake-operator';
/** Owns the status, so that a spec and its status never fight. */
const STATUS_MANAGER = 'openlake-operator-status';
const APPLY = 'application/apply-patch+yaml';
const MERGE = 'application/merge-patch+json';

/** Applies exactly the fields in `object`; takes them from other managers. Returns the object as it now is. */
export async function applyObject(client: KubeClient, object: KubernetesObject): Promise<KubernetesObject> {
  const path = resourcePath(resourceOf(object), { namespace: object.metadata?.namespace, name: object.metadata?.name });
  const query = { fieldManager: FIELD_MANAGER, force: true };
  return (await client.request({ method: 'PATCH', path, query, body: object, contentType: APPLY })) as KubernetesObject;
}

/** Applies the status; with `metadata.resourceVersion` it is refused (409) when the object changed since it was read. */
export async function applyStatus(client: KubeClient, object: KubernetesObject & { readonly status: unknown }): Promise<KubernetesObject> {
  const { metadata } = object;
  const path = resourcePath(resourceOf(object), { namespace: metadata?.namespace, name: metadata?.name, part: 'status' });
  const query = { fieldManager: STATUS_MANAGER, force: true };
  return (await client.request({ method: 'PATCH', path, query, body: object, contentType: APPLY })) as KubernetesObject;
}

type Place = { readonly namespace: string | undefined; readonly name: string };

/** Changes single fields of an object. */
export async function mergeObject(
  client: KubeClient,
  resource: Resource,
  change: Place & { readonly body: unknown },
): Promise<KubernetesObject> {
  const path = resourcePath(resource, change);
  const query = { fieldManager: FIELD_MANAGER };
  return (await client.request({ method: 'PATCH', path, query, body: change.body, contentType: MERGE })) as KubernetesObject;
}

/** Creates an object; 409 when there is one already. */
export async function createObject(client: KubeClient, object: KubernetesObject): Promise<KubernetesObject> {
  const path = resourcePath(resourceOf(object), { namespace: object.metadata?.namespace });
  return (await client.request({ method: 'POST', path, query: { fieldManager: FIELD_MANAGER }, body: object })) as KubernetesObject;
}

/** Reads one object; 404 when there is none. */
export async function getObject(client: KubeClient, resource: Resource, place: Place): Promise<KubernetesObject> {
  return (await client.request({ method: 'GET', path: resourcePath(resource, place) })) as KubernetesObject;
}

/** Deletes an object, and only the one with this uid: a plan made of old news cannot hit a successor (409). */
export async function deleteObject(
  client: KubeClient,
  resource: Resource,
  place: Place & { readonly uid: string; readonly propagation?: 'Background' | 'Foreground' },
): Promise<void> {
  await client.request({
    method: 'DELETE',
    path: resourcePath(resource, place),
    body: {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      preconditions: { uid: place.uid },
      ...(place.propagation === undefined ? {} : { propagationPolicy: place.propagation }),
    },
  });
}
