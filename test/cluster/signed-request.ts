/**
 * S3 requests made by hand, for what SDKs never send: any header, any query, any body, any signature.
 * Signs as AWS describes it ("Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)").
 */
import { createHash, createHmac } from 'node:crypto';
import { Agent, request as httpRequest } from 'node:http';

export type Reply = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  /** The `Code` of an error document; empty without one. */
  readonly code: string;
};

/** What a request is made of, besides method and path. */
export type Parts = {
  /** Percent-encoded already, in any order. */
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** `x-amz-content-sha256`; UNSIGNED-PAYLOAD without it. */
  readonly payload?: string;
  readonly region?: string;
  readonly service?: string;
  /** Seconds added to the clock. */
  readonly skewSeconds?: number;
  /** Changes a finished header list, e.g. to break the signature. */
  readonly tamper?: (headers: Record<string, string>) => void;
  /** Makes the body of signed chunks from what the signature fixed. */
  readonly chunked?: (seed: ChunkSeed) => Buffer;
};

/** What chunk signatures start from. */
export type ChunkSeed = { readonly key: Buffer; readonly stamp: string; readonly scope: string; readonly signature: string };

/** A client of one endpoint over kept connections. */
export type RawClient = Disposable & { readonly send: (method: string, path: string, parts?: Parts) => Promise<Reply> };

const hmac = (key: Buffer | string, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** `env` holds AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Paths are sent as they are: encode them. */
export function rawClient(env: Readonly<Record<string, string>>): RawClient {
  const endpoint = new URL(env['AWS_ENDPOINT_URL'] ?? '');
  const agent = new Agent({ keepAlive: true });
  const send = async (method: string, path: string, parts: Parts = {}): Promise<Reply> => {
    const { headers, seed } = sign(method, path, { parts, env, host: endpoint.host });
    const body = parts.chunked?.(seed) ?? Buffer.from(parts.body ?? '');
    if (body.length > 0 || ['PUT', 'POST'].includes(method)) headers['content-length'] ??= String(body.length);
    parts.tamper?.(headers);
    const target = parts.query === undefined ? path : `${path}?${parts.query}`;
    return exchange({ method, target, headers, body, endpoint, agent });
  };
  return { send, [Symbol.dispose]: () => agent.destroy() };
}

function sign(
  method: string,
  path: string,
  { parts, env, host }: { readonly parts: Parts; readonly env: Readonly<Record<string, string>>; readonly host: string },
): { headers: Record<string, string>; seed: ChunkSeed } {
  const { query = '', payload = 'UNSIGNED-PAYLOAD', region = 'us-east-1', service = 's3' } = parts;
  const stamp = new Date(Date.now() + (parts.skewSeconds ?? 0) * 1000).toISOString().replace(/[-:]|\.\d+/g, '');
  const headers: Record<string, string> = { host, 'x-amz-date': stamp, 'x-amz-content-sha256': payload, ...parts.headers };
  const names = Object.keys(headers).toSorted();
  const pairs = query.split('&').filter((pair) => pair !== '');
  const canonicalQuery = pairs
    .map((pair) => (pair.includes('=') ? pair : `${pair}=`))
    .toSorted()
    .join('&');
  const lines = names.map((name) => `${name}:${headers[name]?.trim()}`);
  const canonical = [method, path, canonicalQuery, ...lines, '', names.join(';'), payload].join('\n');
  const scope = `${stamp.slice(0, 8)}/${region}/${service}/aws4_request`;
  const secret = `AWS4${env['AWS_SECRET_ACCESS_KEY']}`;
  const key = hmac(hmac(hmac(hmac(secret, stamp.slice(0, 8)), region), service), 'aws4_request');
  const signature = hmac(key, ['AWS4-HMAC-SHA256', stamp, scope, sha256(canonical)].join('\n')).toString('hex');
  const credential = `${env['AWS_ACCESS_KEY_ID']}/${scope}`;
  headers['authorization'] = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return { headers, seed: { key, stamp, scope, signature } };
}

/** A body of chunks of `size` bytes, each signed; `broken` is the index of a chunk whose signature is wrong. */
export function signedChunks(body: Buffer, size: number, broken?: number): (seed: ChunkSeed) => Buffer {
  return ({ key, stamp, scope, signature }) => {
    const pieces: Buffer[] = [];
    let previous = signature;
    for (let index = 0; index <= Math.ceil(body.length / size); index += 1) {
      const piece = body.subarray(index * size, (index + 1) * size);
      const text = ['AWS4-HMAC-SHA256-PAYLOAD', stamp, scope, previous, sha256(''), sha256(piece)].join('\n');
      previous = hmac(key, text).toString('hex');
      const shown = index === broken ? '0'.repeat(64) : previous;
      pieces.push(Buffer.from(`${piece.length.toString(16)};chunk-signature=${shown}\r\n`), piece, Buffer.from('\r\n'));
    }
    return Buffer.concat(pieces);
  };
}

type Exchange = {
  readonly method: string;
  readonly target: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
  readonly endpoint: URL;
  readonly agent: Agent;
};

async function exchange({ method, target, headers, body, endpoint, agent }: Exchange): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const options = { host: endpoint.hostname, port: endpoint.port, method, path: target, headers, agent };
    const outgoing = httpRequest(options, (incoming) => {
      const pieces: Buffer[] = [];
      incoming.on('data', (piece: Buffer) => pieces.push(piece));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const received = Buffer.concat(pieces);
        const code = /<Code>(\w+)<\/Code>/.exec(received.toString('utf8'))?.[1] ?? '';
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: received, code });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
