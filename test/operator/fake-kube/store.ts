/** Objects of the fake API server, and the history of their changes that watches are served from. */
import type { KubernetesObject } from '@kubernetes/client-node';

export type Stored = KubernetesObject & { spec?: unknown; status?: unknown; data?: unknown };
export type WatchEvent = { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: Stored; readonly version: number };

export class Refused extends Error {
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

/** Where an object is: its collection's path and its name. */
export type Place = { readonly collection: string; readonly name: string };

export class Store {
  readonly #objects = new Map<string, Map<string, Stored>>();
  readonly #history: (WatchEvent & { readonly collection: string })[] = [];
  readonly #listeners = new Set<(collection: string, event: WatchEvent) => void>();
  #version = 100;
  #uids = 0;
  /** Versions up to this one are forgotten: watches from there get 410. */
  compacted = 0;

  get version(): number {
    return this.#version;
  }

  list(collection: string): Stored[] {
    return [...(this.#objects.get(collection)?.values() ?? [])];
  }

  get({ collection, name }: Place): Stored | undefined {
    return this.#objects.get(collection)?.get(name);
  }

  /** Creates or replaces; `by` says what a real server would check. */
  put(place: Place, object: Stored, by: { readonly create?: boolean; readonly expected?: string | undefined } = {}): Stored {
    const before = this.get(place);
    if (by.create === true && before !== undefined) throw new Refused(409, 'AlreadyExists', `${place.name} exists`);
    if (by.expected !== undefined && by.expected !== before?.metadata?.resourceVersion) {
      throw new Refused(409, 'Conflict', `${place.name} is at ${before?.metadata?.resourceVersion}, not ${by.expected}`);
    }
    const versioned = this.#version + 1;
    const stored = withMetadata(object, before, { uid: `uid-${this.#uids + 1}`, version: String(versioned) });
    // A write that changes nothing is no event.
    if (before !== undefined && sortedJson(before) === sortedJson(atVersion(stored, before.metadata?.resourceVersion))) return before;
    this.#version = versioned;
    this.#uids += 1;
    if (stored.metadata?.deletionTimestamp !== undefined && (stored.metadata.finalizers ?? []).length === 0) {
      this.#objects.get(place.collection)?.delete(place.name);
      this.#emit(place.collection, { type: 'DELETED', object: stored, version: this.#version });
      return stored;
    }
    const map = this.#objects.get(place.collection) ?? new Map<string, Stored>();
    this.#objects.set(place.collection, map.set(place.name, stored));
    this.#emit(place.collection, { type: before === undefined ? 'ADDED' : 'MODIFIED', object: stored, version: this.#version });
    return stored;
  }

  remove(place: Place, uid?: string): void {
    const before = this.get(place);
    if (before === undefined) throw new Refused(404, 'NotFound', `${place.name} does not exist`);
    if (uid !== undefined && before.metadata?.uid !== uid)
      throw new Refused(409, 'Conflict', `the uid is ${before.metadata?.uid}, not ${uid}`);
    if ((before.metadata?.finalizers ?? []).length > 0) {
      const deletionTimestamp = '2026-01-01T00:00:00Z' as unknown as Date;
      this.put(place, { ...before, metadata: { ...before.metadata, deletionTimestamp } });
      return;
    }
    this.#objects.get(place.collection)?.delete(place.name);
    const object = { ...before, metadata: { ...before.metadata, resourceVersion: String((this.#version += 1)) } } as Stored;
    this.#emit(place.collection, { type: 'DELETED', object, version: this.#version });
  }

  /** Everything after `version`. */
  since(collection: string, version: number): WatchEvent[] {
    return this.#history.filter((event) => event.collection === collection && event.version > version);
  }

  onEvent(listener: (collection: string, event: WatchEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #emit(collection: string, event: WatchEvent): void {
    this.#history.push({ ...event, collection });
    for (const listener of this.#listeners) listener(collection, event);
  }
}

function atVersion(object: Stored, resourceVersion: string | undefined): Stored {
  return { ...object, metadata: { ...object.metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) } } as Stored;
}

/** Uid for ever, generation with each change of the spec, version with each write. */
function withMetadata(object: Stored, before: Stored | undefined, fresh: { readonly uid: string; readonly version: string }): Stored {
  const specChanged = JSON.stringify(before?.spec) !== JSON.stringify(object.spec);
  const generation = (before?.metadata?.generation ?? 0) + (specChanged ? 1 : 0);
  return atVersion(
    { ...object, metadata: { ...object.metadata, uid: before?.metadata?.uid ?? fresh.uid, generation } } as Stored,
    fresh.version,
  );
}

function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_key, child: unknown) =>
    typeof child === 'object' && child !== null && !Array.isArray(child)
      ? Object.fromEntries(Object.entries(child).toSorted(([left], [right]) => (left < right ? -1 : 1)))
      : child,
  );
}
