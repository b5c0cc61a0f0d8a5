/** ListObjectsV2: keys and common prefixes in byte order, in pages that a token continues. */
import { decodeToken, encodeToken } from '../continuation-token.ts';
import { listContents, listPrefixes, readListParameters, readPage } from '../listing.ts';
import { bucketOf, type Operation, xmlReply } from '../service.ts';

/** GET /bucket?list-type=2 */
export const listObjectsV2: Operation = async (request, service) => {
  const parameters = readListParameters(request);
  const { prefix, delimiter, maxKeys, encode, isEncoded } = parameters;
  const token = request.query.get('continuation-token');
  const startAfter = request.query.get('start-after');
  const after = token === undefined ? Buffer.from(startAfter ?? '') : decodeToken(token);
  const page = await readPage(request, { service, parameters, after });
  const withOwner = request.query.get('fetch-owner') === 'true';
  return xmlReply('ListBucketResult', {
    Name: bucketOf(request),
    Prefix: encode(prefix),
    Delimiter: delimiter === '' ? undefined : encode(delimiter),
    MaxKeys: maxKeys,
    EncodingType: isEncoded ? 'url' : undefined,
    KeyCount: page.rows.length + page.prefixes.length,
    IsTruncated: page.next !== undefined,
    ContinuationToken: token,
    NextContinuationToken: page.next === undefined ? undefined : encodeToken(page.next),
    StartAfter: startAfter === undefined ? undefined : encode(startAfter),
    '#elements': listContents(page, withOwner ? { encode, owner: service.owner } : { encode }),
    CommonPrefixes: listPrefixes(page, encode),
  });
};
