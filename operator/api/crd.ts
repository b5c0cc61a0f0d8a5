/**
 * The CustomResourceDefinition, generated from the schemas: `node operator/api/crd.ts` writes it into crds/, and the page of its fields.
 *
 * The API server wants structural schemas and counts the cost of rules, so this turns what TypeBox builds into that form:
 * our own keywords go, a choice of integer and word becomes int-or-string, and each rule hangs on its field.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { ClusterSchema, GROUP, KIND, PLURAL, SpecSchema, VERSION } from './cluster.ts';
import { poolMeanings, specMeanings } from './field-meanings.ts';
import { referencePage } from './reference-page.ts';
import {
  drivesRules,
  ioRules,
  networkRules,
  networkTransitions,
  nodesRules,
  peerTlsRules,
  podRules,
  poolRules,
  poolsRules,
  poolsTransitions,
  poolTransitions,
  specTransitions,
} from './rules.ts';
import { StatusSchema } from './status.ts';

type Json = { [key: string]: unknown };

/** A rule as CEL and its message; where it hangs is a path of property names, `[]` for the entries of a list. */
const rulePlaces: readonly { readonly at: readonly string[]; readonly rules: readonly { cel: string; expected: string }[] }[] = [
  { at: [], rules: specTransitions },
  { at: ['pools'], rules: [...poolsRules, ...poolsTransitions] },
  { at: ['pools', '[]'], rules: [...poolRules, ...poolTransitions] },
  { at: ['pools', '[]', 'nodes'], rules: nodesRules },
  { at: ['pools', '[]', 'drives'], rules: drivesRules },
  { at: ['network'], rules: [...networkRules, ...networkTransitions] },
  { at: ['io'], rules: ioRules },
  { at: ['pod'], rules: podRules },
  { at: ['tls', 'peer'], rules: peerTlsRules },
];

/** Columns of `kubectl get`: the first question first. Priority 1 shows with -o wide. */
const printerColumns = [
  { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
  { name: 'Ready', type: 'string', jsonPath: '.status.membersReady' },
  { name: 'Sets', type: 'string', jsonPath: '.status.setsHealthy' },
  { name: 'Writable', type: 'boolean', jsonPath: '.status.writable' },
  { name: 'Version', type: 'string', jsonPath: '.status.version.current' },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  { name: 'Pools', type: 'string', jsonPath: '.spec.pools[*].name', priority: 1 },
  { name: 'Message', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].message', priority: 1 },
];

/** The CRD as an object. */
export function buildCrd(): Json {
  const spec = structural(SpecSchema);
  for (const { at, rules } of rulePlaces) {
    const target = descend(spec, at);
    const added = rules.map((rule) => ({ rule: rule.cel, message: `expected ${rule.expected}` }));
    target['x-kubernetes-validations'] = [...((target['x-kubernetes-validations'] as Json[] | undefined) ?? []), ...added];
  }
  describeFields(spec, specMeanings);
  describeFields(descend(spec, ['pools', '[]']), poolMeanings);
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${PLURAL}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: 'Namespaced',
      names: { kind: KIND, plural: PLURAL, singular: KIND.toLowerCase(), listKind: `${KIND}List`, shortNames: ['olc'] },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: printerColumns,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description: 'An S3-compatible, erasure-coded object store on the drives of a set of nodes.',
              required: ['spec'],
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: nameRule(),
                spec,
                status: structural(StatusSchema),
              },
            },
          },
        },
      ],
    },
  };
}

/** The CRD as YAML that YAML 1.1 readers understand too. */
export function crdText(): string {
  const text = stringify(buildCrd(), { version: '1.1', aliasDuplicateObjects: false, lineWidth: 0 });
  return `# Generated from operator/api by \`npm run generate\`; do not edit.\n${text}`;
}

/** Names of children and hosts are made from the resource's name, so it is kept short. */
function nameRule(): Json {
  const { pattern, maxLength } = ClusterSchema.properties.metadata.properties.name as { pattern?: string; maxLength?: number };
  return { type: 'object', properties: { name: { type: 'string', pattern, maxLength } } };
}

function structural(schema: object): Json {
  const { expected: _expected, sensitive: _sensitive, required, ...source } = schema as Json;
  if (Array.isArray(source['anyOf'])) return intOrString(source);
  const result: Json = source['enum'] === undefined ? {} : { type: 'string' };
  for (const [key, value] of Object.entries(source)) {
    if (key === 'properties') result[key] = mapValues(value as Json, (child) => structural(child as object));
    else if (key === 'items') result[key] = structural(value as object);
    else if (key !== 'additionalProperties') result[key] = value;
    else if (typeof value === 'object') result[key] = structural(value as object);
  }
  // The API server judges a default by itself, before it fills in those of inner fields.
  if (isTable(result['default'])) result['default'] = { ...innerDefaults(source), ...result['default'] };
  // Fields with a default need not be written.
  const written = (required as string[] | undefined)?.filter(
    (key) => ((source['properties'] as Json)[key] as Json)['default'] === undefined,
  );
  if (written !== undefined && written.length > 0) result['required'] = written;
  return result;
}

/** What an empty object becomes when the defaults of its fields are filled in. */
function innerDefaults(schema: Json): Json {
  const entries = Object.entries((schema['properties'] as Readonly<Record<string, Json>> | undefined) ?? {}).flatMap(([key, child]) => {
    if (child['default'] === undefined) return [];
    return [[key, isTable(child['default']) ? { ...innerDefaults(child), ...child['default'] } : child['default']]];
  });
  return Object.fromEntries(entries) as Json;
}

function isTable(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A choice of an integer and a string: the only one a structural schema allows; bounds become a rule. */
function intOrString(source: Json): Json {
  const { anyOf, ...rest } = source;
  const options = anyOf as Json[];
  const word = options.find((option) => option['const'] !== undefined)?.['const'];
  const bounds = options.find((option) => option['minimum'] !== undefined);
  const result: Json = { ...rest, anyOf: [{ type: 'integer' }, { type: 'string' }], 'x-kubernetes-int-or-string': true };
  if (typeof word !== 'string' || bounds === undefined) return { ...result, maxLength: 32 };
  return {
    ...result,
    maxLength: 32,
    'x-kubernetes-validations': [
      {
        rule: `type(self) == string ? self == '${word}' : self >= ${bounds['minimum']} && self <= ${bounds['maximum']}`,
        message: `expected ${word} or an integer from ${bounds['minimum']} to ${bounds['maximum']}`,
      },
    ],
  };
}

function descend(schema: Json, path: readonly string[]): Json {
  let target = schema;
  for (const step of path) {
    const next = step === '[]' ? target['items'] : (target['properties'] as Json | undefined)?.[step];
    if (next === undefined) throw new Error(`Cannot place a rule at ${path.join('.')}: the schema has no ${step}`);
    target = next as Json;
  }
  return target;
}

/** Gives fields their meanings, where the schema does not say more itself. */
function describeFields(schema: Json, meanings: Readonly<Record<string, string>>): void {
  for (const [path, meaning] of Object.entries(meanings)) {
    const field = descend(schema, path.split('.'));
    field['description'] ??= meaning;
  }
}

function mapValues(object: Json, change: (value: unknown) => unknown): Json {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));
}

if (import.meta.main) {
  const file = new URL(`../../crds/${GROUP}_${PLURAL}.yaml`, import.meta.url);
  writeFileSync(file, crdText());
  const page = new URL('../../docs/reference/custom-resources.md', import.meta.url);
  writeFileSync(page, referencePage(readFileSync(page, 'utf8')));
}
