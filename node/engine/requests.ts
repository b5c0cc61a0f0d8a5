/**
 * Control requests on their way up: one batch in, each handed to the handler, each answered once.
 *
 * Requests of a batch run side by side. A handler that throws is a fault of ours: the client gets a 500 without details,
 * the log gets the reason.
 */
import type { RawRequest } from './addon.ts';

/** An authenticated S3 request that is not answered by the data plane. Its body was read whole and verified. */
export type ControlRequest = {
  readonly requestId: string;
  readonly method: string;
  /** Percent-decoded; undefined for the service itself. */
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  /** Percent-decoded; of a name that stands twice the first value counts. */
  readonly query: ReadonlyMap<string, string>;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  readonly accessKey: string;
};

/** Sent as it is; length and request id are added. */
export type ControlReply = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

export type RequestHandler = (request: ControlRequest) => Promise<ControlReply>;

/** Runs every request of a batch and sends its reply. */
export function dispatchRequests(
  requests: readonly RawRequest[],
  options: {
    readonly handler: RequestHandler;
    readonly reply: (id: number, reply: ControlReply) => void;
    readonly onFault: (request: ControlRequest, error: unknown) => void;
  },
): void {
  for (const raw of requests) {
    const request = readRequest(raw);
    options.handler(request).then(
      (reply) => options.reply(raw.id, reply),
      (error: unknown) => {
        options.onFault(request, error);
        options.reply(raw.id, { status: 500, headers: {}, body: '' });
      },
    );
  }
}

/** The request in the shape that handlers take. */
export function readRequest(raw: RawRequest): ControlRequest {
  return {
    requestId: raw.requestId,
    method: raw.method,
    bucket: raw.bucket ?? undefined,
    key: raw.key ?? undefined,
    query: firstValues(raw.query),
    headers: firstValues(raw.headers),
    body: raw.body,
    accessKey: raw.accessKey,
  };
}

function firstValues(flat: readonly string[]): Map<string, string> {
  const values = new Map<string, string>();
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const name = flat[index] ?? '';
    if (!values.has(name)) values.set(name, flat[index + 1] ?? '');
  }
  return values;
}
