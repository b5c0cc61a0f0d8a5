/** XML out and in: what survives, and what is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildErrorXml, buildXml, parseXml } from '../../../node/s3/xml.ts';

test('a document has the declaration, the namespace and its elements in order', () => {
  const document = buildXml('Result', { Name: 'a<b>&"c\'', Empty: '', Missing: undefined, List: [{ Key: 1 }, { Key: 2 }], Flag: false });
  assert.equal(
    document,
    '<?xml version="1.0" encoding="UTF-8"?>\n<Result xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>a&lt;b&gt;&amp;&quot;c&apos;</Name>' +
      '<Empty></Empty><List><Key>1</Key></List><List><Key>2</Key></List><Flag>false</Flag></Result>',
  );
});

test('an error document has no namespace', () => {
  assert.equal(
    buildErrorXml({ code: 'NoSuchKey', message: 'No.', resource: '/b/<k>', requestId: 'R1' }),
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>No.</Message><Resource>/b/&lt;k&gt;</Resource>' +
      '<RequestId>R1</RequestId><HostId>R1</HostId></Error>',
  );
});

test('any key comes back from a document as it went in', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1 }), (keys) => {
      const document = buildXml('Delete', { Object: keys.map((Key) => ({ Key })) });
      const read = parseXml(Buffer.from(document), 'Delete')
        .all('Object')
        .map((object) => object.text('Key') ?? '');
      assert.deepEqual(read, keys);
    }),
  );
});

test('control characters go out as references and come in again', () => {
  const key = 'a\u0001\u001f\r\n\tb\u007f';
  const document = buildXml('Delete', { Key: key });
  assert.match(document, /a&#x1;&#x1f;&#xd;/);
  assert.equal(parseXml(Buffer.from(document), 'Delete').text('Key'), key);
});

test('namespace prefixes, declarations and comments do not matter', () => {
  const body =
    '<?xml version="1.0"?><!-- x --><s3:Delete xmlns:s3="http://s3.amazonaws.com/doc/2006-03-01/"><s3:Quiet>true</s3:Quiet></s3:Delete>';
  assert.equal(parseXml(Buffer.from(body), 'Delete').text('Quiet'), 'true');
});

for (const [name, body] of [
  ['nothing', ''],
  ['text', 'hello'],
  ['an open element', '<Delete>'],
  ['another root', '<Other/>'],
  ['crossing elements', '<Delete><A><B></A></B></Delete>'],
  ['a document type', '<!DOCTYPE Delete [<!ENTITY a "aaaa">]><Delete><Quiet>&a;</Quiet></Delete>'],
  ['an external entity', '<!DOCTYPE Delete SYSTEM "file:///etc/passwd"><Delete/>'],
  ['an unknown entity', '<Delete><Quiet>&nbsp;</Quiet></Delete>'],
  ['a bare ampersand', '<Delete><Quiet>a & b</Quiet></Delete>'],
  ['a character beyond Unicode', '<Delete><Quiet>&#x110000;</Quiet></Delete>'],
  ['an element where text belongs', '<Delete><Quiet><B>true</B></Quiet></Delete>'],
  ['two elements where one belongs', '<Delete><Quiet>true</Quiet><Quiet>false</Quiet></Delete>'],
] as const) {
  test(`a body with ${name} is MalformedXML`, () => {
    assert.throws(() => parseXml(Buffer.from(body), 'Delete').text('Quiet'), { code: 'MalformedXML' });
  });
}

test('any bytes are read or refused, never anything else', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc
          .string({ unit: fc.constantFrom('<', '>', '/', '&', ';', '#', 'x', '"', '=', 'a', 'd', ' ', '!', '?', '-', '[', ']') })
          .map((text) => Buffer.from(`<a>${text}</a>`)),
      ),
      (bytes) => {
        try {
          parseXml(Buffer.from(bytes), 'a').ownText();
        } catch (error) {
          assert.equal((error as { readonly code?: string }).code, 'MalformedXML');
        }
      },
    ),
  );
});

test('attributes, text beside them and elements made before go where they belong', () => {
  const document = buildXml('Result', { '@a': '"', '#text': '<', '#elements': '<B>&amp;</B>', C: 1 });
  assert.match(document, /^<\?xml[^\n]*\n<Result xmlns="[^"]+" a="&quot;">&lt;<B>&amp;<\/B><C>1<\/C><\/Result>$/);
});
