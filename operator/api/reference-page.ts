/**
 * The tables of docs/reference/custom-resources.md, made of the schema and of what its fields mean. Pure; crd.ts writes the page.
 */
import { SpecSchema } from './cluster.ts';
import { poolMeanings, specMeanings } from './field-meanings.ts';
import { Pool } from './pool.ts';

type Schema = { readonly default?: unknown; readonly properties?: Readonly<Record<string, Schema>> };

/** The page with its tables of fields as they should be; all other text stays. Throws for a field without a meaning. */
export function referencePage(page: string): string {
  const tables = new Map([
    ['spec', fieldTable(fieldsOf(SpecSchema as Schema, []), specMeanings)],
    ['spec.pools', fieldTable(fieldsOf(Pool as Schema, ['erasure']), poolMeanings)],
  ]);
  return page
    .split(/^(?=## )/m)
    .map((section) => {
      const table = tables.get(/^## (.*)\n/.exec(section)?.[1] ?? '');
      // The first table of the section, from its head to the first line that is none.
      return table === undefined ? section : section.replace(/^\| Field \|.*\n(\|.*\n)*/m, () => table);
    })
    .join('');
}

/** Fields with their defaults, one level of tables deep, two where all of a table has defaults; what lies deeper is told in the field's meaning. */
function fieldsOf(schema: Schema, whole: readonly string[]): [string, Schema][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]): [string, Schema][] => {
    if (field.properties === undefined || whole.includes(name)) return [[name, field]];
    return Object.entries(field.properties).flatMap(([key, child]): [string, Schema][] => {
      if (typeof child.default !== 'object' || child.properties === undefined) return [[`${name}.${key}`, child]];
      return Object.entries(child.properties).map(([inner, last]) => [`${name}.${key}.${inner}`, last]);
    });
  });
}

function fieldTable(fields: readonly (readonly [string, Schema])[], meanings: Readonly<Record<string, string>>): string {
  const rows = fields.map(([name, schema]) => {
    const fallback = schema.default as string | number | boolean | undefined;
    const meaning = meanings[name];
    if (meaning === undefined) throw new Error(`Cannot document field ${name}: field-meanings.ts says nothing about it`);
    return `| \`${name}\` | ${fallback === undefined ? '' : `\`${String(fallback)}\` `}| ${meaning} |`;
  });
  const known = new Set(fields.map(([name]) => name));
  const surplus = Object.keys(meanings).filter((name) => !known.has(name));
  if (surplus.length > 0) throw new Error(`Cannot document ${surplus.join(', ')}: the schema has no such field`);
  return ['| Field | Default | Meaning |', '|---|---|---|', ...rows, ''].join('\n');
}
