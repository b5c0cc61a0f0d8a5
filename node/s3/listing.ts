/**
 * What both forms of a list of objects share: parameters, entries, encoding.
 */
import type { ListPage } from '../engine/list-page.ts';
import type { ControlRequest } from '../engine/requests.ts';
import { S3Error } from './errors.ts';
import { bucketOf, isoTime, type S3Service } from './service.ts';
import { escapeText, type XmlValue } from './xml.ts';

/** AWS's page, and ours. */
const PAGE_LIMIT = 1000;
/** No key is longer. */
export const KEY_BYTES = 1024;

export type ListParameters = {
  readonly prefix: string;
  /** Empty: no groups. */
  readonly delimiter: string;
  /** 0 to 1000. */
  readonly maxKeys: number;
  /** Encodes names where the client asked for it. */
  readonly encode: (name: string) => string;
  readonly isEncoded: boolean;
};

/** Parameters of a request; `count` names the one that limits the page. Throws InvalidArgument. */
export function readListParameters(request: ControlRequest, count = 'max-keys'): ListParameters {
  const encoding = request.query.get('encoding-type');
  if (encoding !== undefined && encoding !== 'url') {
    throw new S3Error('InvalidArgument', `encoding-type is "${encoding}", expected url.`);
  }
  return {
    prefix: request.query.get('prefix') ?? '',
    delimiter: request.query.get('delimiter') ?? '',
    maxKeys: readCount(request, { name: count, limit: PAGE_LIMIT }),
    encode: encoding === 'url' ? urlEncode : (name) => name,
    isEncoded: encoding === 'url',
  };
}

/** A number from 0 to `limit`; more counts as `limit`, and so does none. Throws InvalidArgument. */
export function readCount(request: ControlRequest, { name, limit }: { readonly name: string; readonly limit: number }): number {
  const text = request.query.get(name);
  if (text === undefined || text === '') return limit;
  if (!/^\d{1,10}$/.test(text) || Number(text) > 2147483647) {
    throw new S3Error('InvalidArgument', `${name} is "${text}", expected an integer from 0 to 2147483647.`);
  }
  return Math.min(Number(text), limit);
}

/** One page after `after` (exclusive). A page of no entries is not truncated, as on AWS, but its bucket must exist. */
export async function readPage(
  request: ControlRequest,
  options: { readonly service: S3Service; readonly parameters: ListParameters; readonly after: Buffer },
): Promise<ListPage> {
  const { parameters, after } = options;
  const { primitives } = options.service;
  const bucket = bucketOf(request);
  const { prefix, delimiter, maxKeys: limit } = parameters;
  // No key is longer, so nothing can match; but whether the bucket exists still matters.
  if (limit === 0 || Buffer.byteLength(prefix) > KEY_BYTES) {
    await primitives.headBucket(bucket);
    return { rows: [], prefixes: [], next: undefined };
  }
  return await primitives.listObjects({ bucket, prefix, delimiter, after, limit });
}

/**
 * The rows of a page as elements; `owner` undefined leaves it out. Text at once instead of values for the renderer: a thousand rows are
 * most of what a list costs in JavaScript.
 */
export function listContents(
  page: ListPage,
  options: { readonly encode: (name: string) => string; readonly owner?: S3Service['owner'] },
): string {
  const { encode, owner } = options;
  const ownerText =
    owner === undefined ? '' : `<Owner><ID>${escapeText(owner.id)}</ID><DisplayName>${escapeText(owner.displayName)}</DisplayName></Owner>`;
  const behind = `${ownerText}<StorageClass>STANDARD</StorageClass></Contents>`;
  const timeOf = isoTimes();
  let text = '';
  for (const { key, lastModifiedMs, etag, size } of page.rows) {
    text += `<Contents><Key>${escapeText(encode(key))}</Key><LastModified>${timeOf(lastModifiedMs)}</LastModified>`;
    text += `<ETag>&quot;${etag}&quot;</ETag><Size>${size}</Size>${behind}`;
  }
  return text;
}

/** All numbers below `count` with so many digits. */
function digits(count: number, width: number): readonly string[] {
  return Array.from({ length: count }, (_, number) => String(number).padStart(width, '0'));
}

const SECONDS_A_DAY = 86_400;
const [SIXTY, THOUSAND] = [digits(60, 2), digits(1000, 3)];

/** As `isoTime`; it remembers the last day and the last second, since what is listed together was often written together. */
function isoTimes(): (timeMs: number) => string {
  let [day, upToDay] = [Number.NaN, ''];
  let [second, upToSecond] = [Number.NaN, ''];
  return (timeMs) => {
    const own = Math.floor(timeMs / 1000);
    if (own !== second) {
      const ownDay = Math.floor(own / SECONDS_A_DAY);
      // The time of day has 13 characters.
      if (ownDay !== day) [day, upToDay] = [ownDay, isoTime(timeMs).slice(0, -13)];
      const rest = own - ownDay * SECONDS_A_DAY;
      const [hours, minutes, seconds] = [Math.floor(rest / 3600), Math.floor(rest / 60) % 60, rest % 60];
      [second, upToSecond] = [own, `${upToDay}${SIXTY[hours]}:${SIXTY[minutes]}:${SIXTY[seconds]}.`];
    }
    return `${upToSecond}${THOUSAND[timeMs - own * 1000]}Z`;
  };
}

/** The common prefixes of a page. */
export function listPrefixes(page: Pick<ListPage, 'prefixes'>, encode: (name: string) => string): XmlValue[] {
  return page.prefixes.map((prefix) => ({ Prefix: encode(prefix) }));
}

/** The last name of a page, key or prefix, in byte order; undefined for an empty page. */
export function lastName(page: ListPage): string | undefined {
  const key = page.rows.at(-1)?.key;
  const prefix = page.prefixes.at(-1);
  if (key === undefined || prefix === undefined) return key ?? prefix;
  return Buffer.compare(Buffer.from(key), Buffer.from(prefix)) > 0 ? key : prefix;
}

/** Percent-encoding of all but unreserved characters and `/`: what every client's decoder gives back as it was. */
function urlEncode(name: string): string {
  return encodeURIComponent(name)
    .replaceAll('%2F', '/')
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
