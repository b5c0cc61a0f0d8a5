/** Control requests by hand, and a router over memory. */
import { XMLParser } from 'fast-xml-parser';
import type { ControlReply, ControlRequest } from '../../../node/engine/requests.ts';
import { type Outcome, s3Router } from '../../../node/s3/router.ts';
import { type MemoryBucket, memoryPrimitives } from './memory-primitives.ts';

/** A request as the data plane hands it up. `target` is decoded: `/bucket/key?name=value`. */
export function controlRequest(
  method: string,
  target: string,
  options: { readonly headers?: Readonly<Record<string, string>>; readonly body?: string } = {},
): ControlRequest {
  const question = target.indexOf('?');
  const path = question < 0 ? target : target.slice(0, question);
  const query = new URLSearchParams(question < 0 ? '' : target.slice(question + 1));
  const [bucket, ...rest] = path.slice(1).split('/');
  const key = rest.join('/');
  return {
    requestId: 'REQUEST',
    method,
    bucket: bucket === '' ? undefined : bucket,
    key: key === '' ? undefined : key,
    query: new Map(query),
    headers: new Map(Object.entries({ host: '127.0.0.1:9000', ...options.headers })),
    body: Buffer.from(options.body ?? ''),
    accessKey: 'AKIATEST',
  };
}

/** A router over `buckets`; `outcomes` gathers what it observed. */
export function memoryRouter(
  buckets: Map<string, MemoryBucket> = new Map(),
  region = 'eu-west-1',
): { readonly send: (request: ControlRequest) => Promise<ControlReply>; readonly outcomes: Outcome[] } {
  const outcomes: Outcome[] = [];
  const owner = { id: 'owner-id', displayName: 'owner' };
  const send = s3Router({ primitives: memoryPrimitives(buckets), owner, region }, (outcome) => outcomes.push(outcome));
  return { send, outcomes };
}

export function emptyBucket(): MemoryBucket {
  return { createdMs: 1_700_000_000_000, objects: new Map(), uploads: new Map() };
}

const lists = /\.(Contents|CommonPrefixes|Buckets\.Bucket|Deleted|Error|Part|Upload)$/;
const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const parser = new XMLParser({
  ignoreAttributes: true,
  parseTagValue: false,
  trimValues: false,
  processEntities: false,
  tagValueProcessor: (_name, value) =>
    value.replace(/&(\w+|#x[0-9a-f]+);/g, (_whole, name: string) => named[name] ?? String.fromCodePoint(Number(`0${name.slice(1)}`))),
  isArray: (_name, path) => lists.test(String(path)),
});

/** A reply's document, read by a library: elements by name, lists always as lists. */
export function documentOf(reply: ControlReply): Record<string, unknown> {
  const document = parser.parse(reply.body.replace(/^<\?xml.*\?>\n/, '')) as Record<string, Record<string, unknown>>;
  const [root] = Object.values(document);
  return root ?? {};
}
