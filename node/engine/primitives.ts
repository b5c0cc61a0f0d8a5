/**
 * The data plane's primitives, typed: what S3 control operations are made of.
 *
 * Each is one operation of the store, complete or not at all, as the consistency protocol defines it. A failed call
 * rejects with EngineError. Bucket names and keys are passed as they are; nothing here validates names.
 */
import type { NativeEngine, RawCondition, RawHead } from './addon.ts';
import type { Calls } from './calls.ts';
import { type ListPage, readListPage } from './list-page.ts';

export type ObjectHead = {
  readonly size: number;
  /** Hex, with `-N` behind it for multipart objects; without quotes. */
  readonly etag: string;
  readonly lastModifiedMs: number;
  /** Lower-case header names and values that come back with the object. */
  readonly metadata: ReadonlyMap<string, string>;
};

export type ListQuery = {
  readonly bucket: string;
  readonly prefix: string;
  /** Groups common prefixes; empty: no groups. */
  readonly delimiter: string;
  /** Exclusive. */
  readonly after: Buffer;
  /** Rows and prefixes together, 1 to 1000. */
  readonly limit: number;
};

export type UploadQuery = {
  readonly bucket: string;
  readonly prefix: string;
  /** Groups common prefixes; empty: no groups. */
  readonly delimiter: string;
  /** Exclusive; undefined: from the start on. */
  readonly after: UploadMarker | undefined;
  /** Rows and prefixes together, 1 to 1000. */
  readonly limit: number;
};
/** A place in a list of uploads: behind one upload, or without its id behind all of a key or common prefix. */
export type UploadMarker = { readonly key: string; readonly upload: string | undefined };
export type UploadRow = { readonly key: string; readonly upload: string; readonly begunMs: number };
export type UploadPage = {
  readonly rows: readonly UploadRow[];
  readonly prefixes: readonly string[];
  /** Where the next page starts; undefined at the end. */
  readonly next: UploadMarker | undefined;
};

export type BucketRow = { readonly name: string; readonly createdMs: number };
export type UploadPlace = { readonly bucket: string; readonly key: string /** 32 hex digits. */; readonly upload: string };
export type PartRow = {
  readonly number: number;
  readonly size: number;
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly checksum?: Checksum;
};
/** Lower-case name of the header that carries it, and its value as S3 writes it. */
export type Checksum = { readonly header: string; readonly value: string };
/** When a write may take effect. */
export type Condition =
  | { readonly kind: 'none' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'exists' }
  /** The object's ETag, without quotes. */
  | { readonly kind: 'matches'; readonly etag: string };

export type Primitives = {
  listObjects(query: ListQuery): Promise<ListPage>;
  headObject(bucket: string, key: string): Promise<ObjectHead>;
  /** Without a condition this also succeeds where there was none. */
  deleteObject(bucket: string, key: string, options?: { readonly condition: Condition }): Promise<void>;
  headBucket(bucket: string): Promise<void>;
  /** Rejects with PreconditionFailed where the bucket exists. */
  createBucket(bucket: string): Promise<void>;
  /** False: not empty. */
  deleteBucket(bucket: string): Promise<boolean>;
  listBuckets(): Promise<readonly BucketRow[]>;
  /** The upload's id, 32 hex digits. */
  createUpload(
    object: { readonly bucket: string; readonly key: string },
    metadata: readonly (readonly [string, string])[],
  ): Promise<string>;
  /** Uploads under way, in order of key and id. */
  listUploads(query: UploadQuery): Promise<UploadPage>;
  listParts(place: UploadPlace): Promise<readonly PartRow[]>;
  completeUpload(
    place: UploadPlace,
    options: {
      readonly parts: readonly { readonly number: number; readonly etag: string }[];
      readonly condition: Condition;
      /** What the whole must have; BadDigest otherwise. */
      readonly checksum?: Checksum;
    },
  ): Promise<ObjectHead>;
  abortUpload(place: UploadPlace): Promise<void>;
};

const UPLOAD_BYTES = 16;
const NO_UPLOAD = '0'.repeat(2 * UPLOAD_BYTES);

function rawCondition(condition: Condition): RawCondition {
  if (condition.kind === 'matches') return { absent: false, matches: condition.etag };
  return condition.kind === 'exists' ? { absent: false, exists: true } : { absent: condition.kind === 'absent' };
}

/** Primitives over a started engine. */
export function nativePrimitives(native: NativeEngine, calls: Calls): Primitives {
  return {
    async listObjects({ bucket, prefix, delimiter, after, limit }) {
      const end = await calls.run((id) => native.listObjects(id, bucket, Buffer.from(prefix), Buffer.from(delimiter), after, limit));
      return readListPage(present(end.page, 'page'));
    },
    async headObject(bucket, key) {
      const end = await calls.run((id) => native.headObject(id, bucket, key));
      return readHead(present(end.head, 'head'));
    },
    async deleteObject(bucket, key, options) {
      const condition = rawCondition(options?.condition ?? { kind: 'none' });
      await calls.run((id) => native.deleteObject(id, bucket, key, condition));
    },
    async headBucket(bucket) {
      await calls.run((id) => native.headBucket(id, bucket));
    },
    async createBucket(bucket) {
      await calls.run((id) => native.createBucket(id, bucket));
    },
    async deleteBucket(bucket) {
      const end = await calls.run((id) => native.deleteBucket(id, bucket));
      return present(end.flag, 'flag');
    },
    async listBuckets() {
      const end = await calls.run((id) => native.listBuckets(id));
      return present(end.buckets, 'buckets');
    },
    async createUpload({ bucket, key }, metadata) {
      const end = await calls.run((id) => native.createUpload(id, bucket, key, metadata.flat()));
      return present(end.upload, 'upload');
    },
    async listUploads({ bucket, prefix, delimiter, after, limit }) {
      const place = packMarker(after);
      const end = await calls.run((id) => native.listUploads(id, bucket, Buffer.from(prefix), Buffer.from(delimiter), place, limit));
      const { rows, prefixes, next } = readListPage(present(end.page, 'page'));
      return {
        rows: rows.map(({ key, etag, lastModifiedMs }) => ({ key, upload: etag, begunMs: lastModifiedMs })),
        prefixes,
        next: next === undefined ? undefined : readMarker(next),
      };
    },
    async listParts({ bucket, key, upload }) {
      const end = await calls.run((id) => native.listParts(id, bucket, key, upload));
      return present(end.parts, 'parts').map((part) => ({
        number: part.number,
        etag: part.etag,
        size: part.size ?? 0,
        lastModifiedMs: part.lastModifiedMs ?? 0,
        ...readChecksum(part.checksum),
      }));
    },
    async completeUpload({ bucket, key, upload }, { parts, condition, checksum }) {
      const nativeCondition = rawCondition(condition);
      const terms = checksum === undefined ? nativeCondition : { ...nativeCondition, checksum: [checksum.header, checksum.value] };
      const end = await calls.run((id) => native.completeUpload(id, bucket, key, upload, parts, terms));
      return readHead(present(end.head, 'head'));
    },
    async abortUpload({ bucket, key, upload }) {
      await calls.run((id) => native.abortUpload(id, bucket, key, upload));
    },
  };
}

/** A marker as the data plane has it: the key, a zero byte, 16 bytes of the upload's id, zeros for none. */
function packMarker(marker: UploadMarker | undefined): Buffer {
  if (marker === undefined) return Buffer.alloc(0);
  return Buffer.concat([Buffer.from(marker.key), Buffer.alloc(1), Buffer.from(marker.upload ?? NO_UPLOAD, 'hex')]);
}

function readMarker(place: Buffer): UploadMarker {
  const upload = place.toString('hex', place.length - UPLOAD_BYTES);
  return { key: place.toString('utf8', 0, place.length - UPLOAD_BYTES - 1), upload: upload === NO_UPLOAD ? undefined : upload };
}

function readChecksum(pair: readonly string[] | null | undefined): { readonly checksum?: Checksum } {
  const [header, value] = pair ?? [];
  return header === undefined || value === undefined ? {} : { checksum: { header, value } };
}

function readHead(raw: RawHead): ObjectHead {
  const metadata = new Map<string, string>();
  for (let index = 0; index + 1 < raw.metadata.length; index += 2) {
    metadata.set(raw.metadata[index] ?? '', raw.metadata[index + 1] ?? '');
  }
  return { size: raw.size, etag: raw.etag, lastModifiedMs: raw.lastModifiedMs, metadata };
}

/** A field that a successful call of this kind always has. */
function present<T>(value: T | null | undefined, field: string): T {
  if (value === undefined || value === null) throw new Error(`The data plane ended a call without its ${field}`);
  return value;
}
