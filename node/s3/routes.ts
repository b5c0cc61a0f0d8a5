/**
 * Which operation a control request is: exactly by method, target and query. Pure.
 *
 * A route lists every query parameter that its operation knows. A request with any other one is none of ours, since in S3
 * a query parameter often names another operation: `DELETE /bucket?lifecycle` must never delete the bucket.
 */
import type { ControlRequest } from '../engine/requests.ts';

export type OperationName =
  | 'ListBuckets'
  | 'CreateBucket'
  | 'HeadBucket'
  | 'GetBucketLocation'
  | 'DeleteBucket'
  | 'ListObjectsV2'
  | 'ListObjects'
  | 'DeleteObjects'
  | 'CreateMultipartUpload'
  | 'CompleteMultipartUpload'
  | 'AbortMultipartUpload'
  | 'ListMultipartUploads'
  | 'ListParts';

type Route = {
  readonly operation: OperationName;
  readonly method: string;
  readonly target: 'service' | 'bucket' | 'object';
  /** Must be there, with this value where it is not undefined. */
  readonly selector?: { readonly name: string; readonly value?: string };
  /** May be there. */
  readonly parameters: readonly string[];
};

const LIST_PARAMETERS = ['prefix', 'delimiter', 'max-keys', 'encoding-type'] as const;

const routes: readonly Route[] = [
  {
    operation: 'ListBuckets',
    method: 'GET',
    target: 'service',
    parameters: ['prefix', 'max-buckets', 'continuation-token', 'bucket-region'],
  },
  { operation: 'CreateBucket', method: 'PUT', target: 'bucket', parameters: [] },
  { operation: 'HeadBucket', method: 'HEAD', target: 'bucket', parameters: [] },
  { operation: 'GetBucketLocation', method: 'GET', target: 'bucket', selector: { name: 'location', value: '' }, parameters: [] },
  { operation: 'DeleteBucket', method: 'DELETE', target: 'bucket', parameters: [] },
  {
    operation: 'ListObjectsV2',
    method: 'GET',
    target: 'bucket',
    selector: { name: 'list-type', value: '2' },
    parameters: [...LIST_PARAMETERS, 'continuation-token', 'start-after', 'fetch-owner'],
  },
  { operation: 'ListObjects', method: 'GET', target: 'bucket', parameters: [...LIST_PARAMETERS, 'marker'] },
  { operation: 'DeleteObjects', method: 'POST', target: 'bucket', selector: { name: 'delete', value: '' }, parameters: [] },
  {
    operation: 'ListMultipartUploads',
    method: 'GET',
    target: 'bucket',
    selector: { name: 'uploads', value: '' },
    parameters: ['prefix', 'delimiter', 'key-marker', 'upload-id-marker', 'max-uploads', 'encoding-type'],
  },
  { operation: 'CreateMultipartUpload', method: 'POST', target: 'object', selector: { name: 'uploads', value: '' }, parameters: [] },
  { operation: 'CompleteMultipartUpload', method: 'POST', target: 'object', selector: { name: 'uploadId' }, parameters: [] },
  { operation: 'AbortMultipartUpload', method: 'DELETE', target: 'object', selector: { name: 'uploadId' }, parameters: [] },
  {
    operation: 'ListParts',
    method: 'GET',
    target: 'object',
    selector: { name: 'uploadId' },
    parameters: ['max-parts', 'part-number-marker'],
  },
];

/** The operation, or undefined where there is none. */
export function findOperation(request: Pick<ControlRequest, 'method' | 'bucket' | 'key' | 'query'>): OperationName | undefined {
  const target = request.key !== undefined ? 'object' : request.bucket !== undefined ? 'bucket' : 'service';
  const names = [...request.query.keys()].filter((name) => !isCarrier(name));
  const found = routes.find((route) => route.method === request.method && route.target === target && matches(route, names, request.query));
  return found?.operation;
}

function matches(route: Route, names: readonly string[], query: ReadonlyMap<string, string>): boolean {
  const { selector } = route;
  if (selector !== undefined) {
    const value = query.get(selector.name);
    if (value === undefined || (selector.value !== undefined && value !== selector.value)) return false;
  }
  return names.every((name) => name === selector?.name || route.parameters.includes(name));
}

/** Parameters about the request itself: presigning, and the operation's name as the JavaScript SDK adds it. */
function isCarrier(name: string): boolean {
  return name === 'x-id' || /^x-amz-/i.test(name);
}
