/**
 * Is the CustomResourceDefinition that the API server serves new enough for this operator?
 *
 * The API server silently drops fields that a definition does not have. An operator that works with an older one would lose
 * what it decided once and for ever, so it waits until the definition is upgraded. The server's OpenAPI document shows the
 * definition to every authenticated user, so no right to read definitions is needed.
 */
import { GROUP, PLURAL, VERSION } from '../api/cluster.ts';
import { buildCrd } from '../api/crd.ts';
import type { KubeClient } from '../kube/client.ts';
import { isNotFound } from '../kube/errors.ts';

/** As much of a JSON schema as has names in it. */
type Schema = {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
};

const NAME = `${PLURAL}.${GROUP}`;
/** Of the fields that are missing this many are named. */
const NAMED = 5;

/** Where an API server publishes the group. */
export const OPENAPI_PATH: string = `/openapi/v3/apis/${GROUP}/${VERSION}`;

/** Why the operator cannot work with the definition that is served; undefined when it can. Throws when it cannot be read. */
export async function checkCrd(client: KubeClient): Promise<string | undefined> {
  let document: unknown;
  try {
    document = await client.request({ method: 'GET', path: OPENAPI_PATH });
  } catch (error) {
    if (isNotFound(error)) return `CustomResourceDefinition ${NAME} is not installed`;
    throw error;
  }
  const { components } = document as { readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> } };
  const served = Object.values(components?.schemas ?? {}).find(({ properties }) => properties?.['spec'] !== undefined);
  const lacks = missingFields(definedSchema(), served ?? {});
  if (lacks.length === 0) return undefined;
  const more = lacks.length > NAMED ? ` and ${lacks.length - NAMED} more` : '';
  return `CustomResourceDefinition ${NAME} is older than this operator, it lacks ${lacks.slice(0, NAMED).join(', ')}${more}: upgrade it first`;
}

/** What this operator was made for. */
export function definedSchema(): Schema {
  const { spec } = buildCrd() as {
    readonly spec: { readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: Schema } }[] };
  };
  const { properties } = spec.versions[0]?.schema.openAPIV3Schema ?? {};
  const { spec: wanted = {}, status = {} } = properties ?? {};
  return { properties: { spec: wanted, status } };
}

/** Dotted paths of fields that `wanted` has and `served` has not; what lies below a missing field is not listed. */
function missingFields(wanted: Schema, served: Schema, path = ''): string[] {
  const fields = Object.entries(wanted.properties ?? {}).flatMap(([name, schema]) => {
    const place = path === '' ? name : `${path}.${name}`;
    const found = served.properties?.[name];
    return found === undefined ? [place] : missingFields(schema, found, place);
  });
  const items = wanted.items === undefined ? [] : missingFields(wanted.items, served.items ?? {}, `${path}[]`);
  return [...fields, ...items];
}
