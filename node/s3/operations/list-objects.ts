/** ListObjects, the first form: as the second, but continued by the last name itself. */
import { lastName, listContents, listPrefixes, readListParameters, readPage } from '../listing.ts';
import { bucketOf, type Operation, xmlReply } from '../service.ts';

/** GET /bucket */
export const listObjects: Operation = async (request, service) => {
  const parameters = readListParameters(request);
  const { prefix, delimiter, maxKeys, encode, isEncoded } = parameters;
  const marker = request.query.get('marker') ?? '';
  const page = await readPage(request, { service, parameters, after: Buffer.from(marker) });
  const last = lastName(page);
  // Without a delimiter the last key itself is the next marker, and AWS leaves it out.
  const nextMarker = page.next !== undefined && delimiter !== '' && last !== undefined ? encode(last) : undefined;
  return xmlReply('ListBucketResult', {
    Name: bucketOf(request),
    Prefix: encode(prefix),
    Marker: encode(marker),
    Delimiter: delimiter === '' ? undefined : encode(delimiter),
    MaxKeys: maxKeys,
    EncodingType: isEncoded ? 'url' : undefined,
    IsTruncated: page.next !== undefined,
    NextMarker: nextMarker,
    '#elements': listContents(page, { encode, owner: service.owner }),
    CommonPrefixes: listPrefixes(page, encode),
  });
};
