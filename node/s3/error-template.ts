/**
 * The error body that the data plane fills in for hot operations: the same document as for control operations, with
 * places for its four values. The values are escaped by the data plane.
 */
import { buildErrorXml } from './xml.ts';

/** Holds {code}, {message}, {resource} and {request_id}. */
export const errorTemplate: string = buildErrorXml({
  code: '{code}',
  message: '{message}',
  resource: '{resource}',
  requestId: '{request_id}',
});
