/** The CRD: as generated, structural, bounded, small enough for every tool. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { buildCrd, crdText } from '../../../operator/api/crd.ts';

type Json = { readonly [key: string]: unknown };

const file = new URL('../../../crds/openlake.dev_openlakeclusters.yaml', import.meta.url);

function schemaOf(crd: Json): Json {
  const { versions } = crd['spec'] as { versions: { schema: { openAPIV3Schema: Json } }[] };
  return versions[0]?.schema.openAPIV3Schema ?? {};
}

/** Every schema in the tree with its path. */
function* schemas(schema: Json, path = ''): Generator<{ readonly path: string; readonly schema: Json }> {
  yield { path, schema };
  for (const [key, child] of Object.entries((schema['properties'] ?? {}) as Json)) yield* schemas(child as Json, `${path}.${key}`);
  if (schema['items'] !== undefined) yield* schemas(schema['items'] as Json, `${path}[]`);
  if (typeof schema['additionalProperties'] === 'object') yield* schemas(schema['additionalProperties'] as Json, `${path}{}`);
}

test('crds/ holds what operator/api generates', () => {
  assert.equal(readFileSync(file, 'utf8'), crdText(), 'run `npm run generate`');
});

test('the CRD reads the same in YAML 1.1 and 1.2', () => {
  const expected = JSON.parse(JSON.stringify(buildCrd())) as unknown;
  assert.deepEqual(parse(crdText(), { version: '1.1' }), expected);
  assert.deepEqual(parse(crdText(), { version: '1.2' }), expected);
});

test('the CRD is small enough for client-side apply', () => {
  assert.ok(Buffer.byteLength(crdText()) < 200 * 1024);
});

test('the schema is structural', () => {
  for (const { path, schema } of schemas(schemaOf(buildCrd()))) {
    const keys = Object.keys(schema);
    for (const forbidden of ['const', 'patternProperties', 'expected', 'sensitive', '$ref', 'oneOf'])
      assert.ok(!keys.includes(forbidden), `${path} has ${forbidden}`);
    assert.notEqual(schema['additionalProperties'], false, path);
    if (schema['x-kubernetes-int-or-string'] === true) {
      assert.deepEqual(schema['anyOf'], [{ type: 'integer' }, { type: 'string' }], path);
      assert.equal(schema['type'], undefined, path);
    } else {
      assert.equal(typeof schema['type'], 'string', `${path} has no type`);
      assert.equal(schema['anyOf'], undefined, path);
    }
    if (schema['items'] !== undefined) assert.equal(schema['type'], 'array', path);
  }
});

test('every list, map and string is bounded, since the cost of rules is estimated from the bounds', () => {
  for (const { path, schema } of schemas(schemaOf(buildCrd()))) {
    if (['', '.apiVersion', '.kind', '.metadata'].includes(path)) continue;
    if (schema['type'] === 'array') assert.equal(typeof schema['maxItems'], 'number', `${path} has no maxItems`);
    if (schema['additionalProperties'] !== undefined)
      assert.equal(typeof schema['maxProperties'], 'number', `${path} has no maxProperties`);
    if (schema['type'] === 'string' && schema['enum'] === undefined)
      assert.equal(typeof schema['maxLength'], 'number', `${path} has no maxLength`);
  }
});

test('lists above transition rules are maps, so that entries can be matched with their old form', () => {
  const pools = [...schemas(schemaOf(buildCrd()))].find(({ path }) => path === '.spec.pools')?.schema;
  assert.equal(pools?.['x-kubernetes-list-type'], 'map');
  assert.deepEqual(pools?.['x-kubernetes-list-map-keys'], ['name']);
});

test('every rule has a message that says what is expected', () => {
  const rules = [...schemas(schemaOf(buildCrd()))].flatMap(
    ({ schema }) => (schema['x-kubernetes-validations'] ?? []) as { rule: string; message: string }[],
  );
  assert.ok(rules.length >= 15);
  for (const { rule, message } of rules) {
    assert.match(message, /^expected /, rule);
    assert.match(rule, /self|oldSelf/);
  }
});

test('status is a subresource that says at once that nothing was observed yet', () => {
  const { versions } = buildCrd()['spec'] as { versions: Json[] };
  assert.deepEqual(versions[0]?.['subresources'], { status: {} });
  const status = [...schemas(schemaOf(buildCrd()))].find(({ path }) => path === '.status')?.schema;
  assert.deepEqual(status?.['default'], { observedGeneration: -1 });
});
