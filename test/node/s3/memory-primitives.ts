/**
 * The engine's primitives over a map in memory: what the documents of S3 operations are tested against, and the model that
 * the real engine's lists are compared with.
 */
import { EngineError } from '../../../node/engine/errors.ts';
import type { ListRow } from '../../../node/engine/list-page.ts';
import type { ObjectHead, Primitives } from '../../../node/engine/primitives.ts';

type Stored = { readonly size: number; readonly etag: string; readonly lastModifiedMs: number };
type Upload = { readonly key: string; readonly metadata: readonly (readonly [string, string])[]; readonly parts: Map<number, Stored> };
export type MemoryBucket = { readonly createdMs: number; readonly objects: Map<string, Stored>; readonly uploads: Map<string, Upload> };

type UploadName = { readonly id: string; readonly key: string };

/** In the order of a list: by key, then by id. */
function compareUploads(left: UploadName, right: UploadName): number {
  return compareBytes(left.key, right.key) || compareBytes(left.id, right.id);
}

/** An object with an ETag that tells objects apart. */
export function storedObject(number: number): Stored {
  return { size: number, etag: number.toString(16).padStart(32, '0'), lastModifiedMs: 1_700_000_000_000 + number };
}

export function memoryPrimitives(buckets: Map<string, MemoryBucket> = new Map()): Primitives {
  const find = (name: string): MemoryBucket => {
    const bucket = buckets.get(name);
    if (bucket === undefined) throw new EngineError('NoSuchBucket', '');
    return bucket;
  };
  const findUpload = (place: { readonly bucket: string; readonly upload: string }): Upload => {
    const upload = find(place.bucket).uploads.get(place.upload);
    if (upload === undefined) throw new EngineError('NoSuchUpload', '');
    return upload;
  };
  return {
    async listObjects({ bucket, prefix, delimiter, after, limit }) {
      const { objects } = find(bucket);
      const names = listNames([...objects.keys()], { prefix, delimiter, after: after.toString() });
      const page = names.slice(0, limit);
      const rows = page.flatMap((name): ListRow[] => {
        const object = name.isPrefix ? undefined : objects.get(name.text);
        return object === undefined ? [] : [{ key: name.text, ...object }];
      });
      const last = page.at(-1);
      return {
        rows,
        prefixes: page.filter((name) => name.isPrefix).map((name) => name.text),
        next: names.length > limit && last !== undefined ? Buffer.from(last.text) : undefined,
      };
    },
    async headObject(bucket, key) {
      const object = find(bucket).objects.get(key);
      if (object === undefined) throw new EngineError('NoSuchKey', '');
      return { ...object, metadata: new Map() };
    },
    async deleteObject(bucket, key, options) {
      const { objects } = find(bucket);
      const condition = options?.condition;
      const found = objects.get(key);
      const holds = condition?.kind === 'matches' ? found?.etag === condition.etag : condition?.kind !== 'exists' || found !== undefined;
      if (!holds) throw new EngineError('PreconditionFailed', '');
      objects.delete(key);
    },
    async headBucket(bucket) {
      find(bucket);
    },
    async createBucket(bucket) {
      if (buckets.has(bucket)) throw new EngineError('PreconditionFailed', '');
      buckets.set(bucket, { createdMs: 1_700_000_000_000, objects: new Map(), uploads: new Map() });
    },
    async deleteBucket(bucket) {
      if (find(bucket).objects.size > 0) return false;
      return buckets.delete(bucket);
    },
    async listBuckets() {
      return [...buckets].map(([name, { createdMs }]) => ({ name, createdMs }));
    },
    async createUpload({ bucket, key }, metadata) {
      const { uploads } = find(bucket);
      const upload = uploads.size.toString(16).padStart(32, 'a');
      uploads.set(upload, { key, metadata, parts: new Map() });
      return upload;
    },
    async listUploads({ bucket, prefix, delimiter, after, limit }) {
      const uploads = [...find(bucket).uploads].map(([id, { key }]) => ({ id, key }));
      const isBehind = (id: string, text: string): boolean => {
        if (after === undefined) return true;
        const order = compareBytes(text, after.key);
        return order > 0 || (order === 0 && after.upload !== undefined && compareBytes(id, after.upload) > 0);
      };
      const entries = new Map<string, { readonly id: string | undefined; readonly text: string }>();
      for (const { id, key } of uploads.toSorted(compareUploads)) {
        if (!key.startsWith(prefix)) continue;
        const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
        const text = end < 0 ? key : key.slice(0, end + delimiter.length);
        if (isBehind(id, text)) entries.set(end < 0 ? `${text} ${id}` : text, { id: end < 0 ? id : undefined, text });
      }
      const page = [...entries.values()].slice(0, limit);
      const last = page.at(-1);
      return {
        rows: page.flatMap(({ id, text }) => (id === undefined ? [] : [{ key: text, upload: id, begunMs: 1_700_000_000_000 }])),
        prefixes: page.flatMap(({ id, text }) => (id === undefined ? [text] : [])),
        next: entries.size > limit && last !== undefined ? { key: last.text, upload: last.id } : undefined,
      };
    },
    async listParts(place) {
      return [...findUpload(place).parts]
        .map(([number, part]) => ({ number, ...part }))
        .toSorted((left, right) => left.number - right.number);
    },
    async completeUpload(place, { parts, condition }) {
      const upload = findUpload(place);
      const { objects, uploads } = find(place.bucket);
      if (condition.kind === 'absent' && objects.has(place.key)) throw new EngineError('PreconditionFailed', '');
      for (const part of parts) {
        if (upload.parts.get(part.number)?.etag !== part.etag) throw new EngineError('InvalidPart', `part ${part.number}`);
      }
      const size = parts.reduce((sum, part) => sum + (upload.parts.get(part.number)?.size ?? 0), 0);
      const head: ObjectHead = { size, etag: `${'c'.repeat(32)}-${parts.length}`, lastModifiedMs: 0, metadata: new Map(upload.metadata) };
      objects.set(place.key, head);
      uploads.delete(place.upload);
      return head;
    },
    async abortUpload(place) {
      findUpload(place);
      find(place.bucket).uploads.delete(place.upload);
    },
  };
}

type Name = { readonly text: string; readonly isPrefix: boolean };

/** All names that a list shows, in byte order: keys and common prefixes after `after`. */
export function listNames(
  keys: readonly string[],
  { prefix, delimiter, after }: { readonly prefix: string; readonly delimiter: string; readonly after: string },
): Name[] {
  const names = new Map<string, Name>();
  for (const key of keys) {
    if (!key.startsWith(prefix)) continue;
    const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const text = end < 0 ? key : key.slice(0, end + delimiter.length);
    if (compareBytes(text, after) > 0) names.set(text, { text, isPrefix: end >= 0 });
  }
  return [...names.values()].toSorted((left, right) => compareBytes(left.text, right.text));
}

/** Order of the UTF-8 bytes, which is not the order of strings. */
export function compareBytes(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}
