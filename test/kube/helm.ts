/** Helm and kubeconform for tests: the real binaries, and schemas made from an API server's own OpenAPI document. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { type Finished, runProgram } from '../cluster/cluster.ts';
import { buildGoTools, toolPath } from '../provision/go-tools.mjs';
import type { Json } from './api-client.ts';

export const root: string = join(import.meta.dirname, '..', '..');
export const operatorChart: string = join(root, 'helm/operator');
export const clusterChart: string = join(root, 'helm/cluster');

/** Runs Helm; never throws for a non-zero exit. */
export async function helm(...args: readonly string[]): Promise<Finished> {
  buildGoTools(['helm']);
  return runProgram(toolPath('helm'), { args });
}

/** Runs Helm; the standard output. */
export async function helmMust(...args: readonly string[]): Promise<string> {
  const finished = await helm(...args);
  assert.equal(finished.code, 0, `helm ${args.join(' ')}\n${finished.stdout}\n${finished.stderr}`);
  return finished.stdout;
}

/** The objects in a text of YAML documents, empty ones left out. */
export function objectsOf(text: string): readonly Json[] {
  return parseAllDocuments(text)
    .map((document): unknown => document.toJS())
    .filter((object): object is Json => object !== null);
}

/**
 * Writes one JSON schema for each kind of an OpenAPI (v2) document into `folder`, as kubeconform's location
 * `folder/{{.ResourceKind}}{{.KindSuffix}}.json` finds them. Unknown fields are refused.
 */
export function writeSchemas(openapi: Json, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const definitions = openapi['definitions'] as Record<string, Json>;
  const strict = Object.fromEntries(Object.entries(definitions).map(([name, schema]) => [name, tighten(schema)]));
  writeFileSync(join(folder, 'definitions.json'), JSON.stringify({ definitions: strict }));
  for (const [name, schema] of Object.entries(definitions)) {
    for (const { group, version, kind } of (schema['x-kubernetes-group-version-kind'] ?? []) as Record<
      'group' | 'version' | 'kind',
      string
    >[]) {
      const suffix = [group.split('.')[0], version].filter((part) => part !== '').join('-');
      const target = `file://${join(folder, 'definitions.json')}#/definitions/${name}`;
      writeFileSync(join(folder, `${kind.toLowerCase()}-${suffix}.json`.toLowerCase()), JSON.stringify({ $ref: target }));
    }
  }
}

/** A schema that refuses what it does not name, with Kubernetes' own formats as JSON Schema has them. */
function tighten(schema: Json): Json {
  if (schema['format'] === 'int-or-string' || schema['x-kubernetes-int-or-string'] === true) return { type: ['integer', 'string'] };
  const { format: _, ...rest } = schema;
  const nested = Object.fromEntries(
    Object.entries(rest).map(([key, value]: [string, unknown]) => {
      if (key === 'properties')
        return [key, Object.fromEntries(Object.entries(value as Json).map(([name, one]) => [name, tighten(one as Json)]))];
      if ((key === 'items' || key === 'additionalProperties') && typeof value === 'object') return [key, tighten(value as Json)];
      return [key, value];
    }),
  );
  return 'properties' in nested && !('additionalProperties' in nested) ? { ...nested, additionalProperties: false } : nested;
}

/** Checks manifests strictly against schemas that `writeSchemas` wrote; kinds in `skip` have none. */
export async function kubeconform(
  file: string,
  options: { readonly schemas: string; readonly skip?: readonly string[] },
): Promise<Finished> {
  buildGoTools(['kubeconform']);
  const location = `${options.schemas}/{{.ResourceKind}}{{.KindSuffix}}.json`;
  const skip = options.skip === undefined ? [] : ['-skip', options.skip.join(',')];
  return runProgram(toolPath('kubeconform'), { args: ['-strict', '-summary', '-schema-location', location, ...skip, file] });
}
