/**
 * What S3 operations work with, and how they answer.
 */
import type { Primitives } from '../engine/primitives.ts';
import type { ControlReply, ControlRequest } from '../engine/requests.ts';
import { buildXml, type XmlValue } from './xml.ts';

/** The engine, and what the configuration says. */
export type S3Service = {
  readonly primitives: Primitives;
  readonly region: string;
  /** Owner of all buckets and objects, as lists show it. */
  readonly owner: { readonly id: string; readonly displayName: string };
};

/** One S3 operation. Throws S3Error, or EngineError from the primitives. */
export type Operation = (request: ControlRequest, service: S3Service) => Promise<ControlReply>;

/** The bucket that the cluster's own records live in; refused by name to every client. */
export const RESERVED_BUCKET = '.openlake';

/** 200 with a document. */
export function xmlReply(root: string, content: { readonly [name: string]: XmlValue }): ControlReply {
  return { status: 200, headers: { 'content-type': 'application/xml' }, body: buildXml(root, content) };
}

/** No body. */
export function emptyReply(status: number, headers: Readonly<Record<string, string>> = {}): ControlReply {
  return { status, headers, body: '' };
}

/** Bucket of a request that was routed to a bucket. */
export function bucketOf(request: ControlRequest): string {
  return request.bucket ?? '';
}

/** Bucket and key of a request that was routed to an object. */
export function objectOf(request: ControlRequest): { readonly bucket: string; readonly key: string } {
  return { bucket: request.bucket ?? '', key: request.key ?? '' };
}

/** `2026-01-31T12:00:00.000Z` */
export function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
