/**
 * Checks a value against a schema and reports everything that is wrong at once.
 *
 * A schema validator's own messages name schema keywords. People who edit a file need the field, the value they wrote and
 * what was expected instead, and for a misspelt key the one they meant. This walk knows just the keywords that our
 * schemas use, fills in defaults on the way, and never shows a value marked `sensitive`.
 */
import { isIP } from 'node:net';

/** One thing that is wrong: where, what was seen, what would be right. */
export type Problem = { readonly path: string; readonly value: unknown; readonly expected: string };

/** The part of JSON Schema that the walk understands, plus `expected` and `sensitive` (see above). */
type Schema = {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly default?: unknown;
  readonly expected?: string;
  readonly sensitive?: boolean;
};

/**
 * Checks `value` against `schema` (JSON Schema as TypeBox builds it).
 *
 * Returns a copy with defaults filled in, and every problem found; the copy is only to be used when there is none.
 */
export function check(schema: object, value: unknown): { readonly value: unknown; readonly problems: Problem[] } {
  const problems: Problem[] = [];
  return { value: walk(schema as Schema, value, { path: '', problems }), problems };
}

/** A problem as one line: `limits.head_timeout_ms = "x": expected an integer from 100 to 3600000`. */
export function describeProblem(problem: Problem): string {
  const shown = problem.value === undefined ? 'is missing' : `= ${show(problem.value)}`;
  return `${problem.path === '' ? 'the whole file' : problem.path} ${shown}: expected ${problem.expected}`;
}

type Place = { readonly path: string; readonly problems: Problem[] };

function walk(schema: Schema, given: unknown, place: Place): unknown {
  const value = given === undefined ? structuredClone(schema.default) : given;
  if (schema.anyOf !== undefined) return walkAny(schema, value, place);
  switch (schema.type) {
    case 'object':
      return walkObject(schema, value, place);
    case 'array':
      return walkArray(schema, value, place);
    default:
      if (!leafFits(schema, value)) fail(schema, value, place);
      return value;
  }
}

function walkAny(schema: Schema, value: unknown, place: Place): unknown {
  for (const option of schema.anyOf ?? []) {
    const trial: Problem[] = [];
    const result = walk(option, value, { path: place.path, problems: trial });
    if (trial.length === 0) return result;
  }
  fail(schema, value, place);
  return value;
}

function walkObject(schema: Schema, value: unknown, place: Place): unknown {
  const properties = schema.properties ?? {};
  // A table of which every key has a default may be left out altogether.
  const given = value === undefined ? {} : value;
  if (!isTable(given)) {
    fail(schema, given, place);
    return value;
  }
  const result: Record<string, unknown> = {};
  const required = new Set(schema.required ?? []);
  if (schema.maxProperties !== undefined && Object.keys(given).length > schema.maxProperties) fail(schema, given, place);
  for (const [key, child] of Object.entries(properties)) {
    const present = Object.hasOwn(given, key) && given[key] !== undefined;
    if (!present && !required.has(key) && child.default === undefined) continue;
    result[key] = walk(child, present ? given[key] : undefined, { ...place, path: join(place.path, key) });
  }
  for (const key of Object.keys(given)) {
    if (Object.hasOwn(properties, key)) continue;
    if (typeof schema.additionalProperties === 'object') {
      result[key] = walk(schema.additionalProperties, given[key], { ...place, path: join(place.path, key) });
    } else if (schema.additionalProperties === false) {
      place.problems.push({
        path: join(place.path, key),
        value: isTable(given[key]) || Array.isArray(given[key]) ? undefined : hide(schema, given[key]),
        expected: unknownKey(key, Object.keys(properties)),
      });
    }
  }
  return result;
}

function walkArray(schema: Schema, value: unknown, place: Place): unknown {
  if (!Array.isArray(value)) {
    fail(schema, value, place);
    return value;
  }
  if (value.length < (schema.minItems ?? 0) || value.length > (schema.maxItems ?? Number.POSITIVE_INFINITY)) {
    place.problems.push({ path: place.path, value: `${value.length} entries`, expected: expectation(schema) });
    // The entries of a list that is far too long say nothing more.
    if (value.length > (schema.maxItems ?? 0)) return value;
  }
  const items = schema.items ?? {};
  return value.map((item, index) => walk(items, item, { ...place, path: `${place.path}[${index}]` }));
}

function leafFits(schema: Schema, value: unknown): boolean {
  if (schema.const !== undefined) return value === schema.const;
  if (schema.enum !== undefined) return schema.enum.includes(value);
  switch (schema.type) {
    case 'integer':
    case 'number':
      if (typeof value !== 'number' || !Number.isFinite(value)) return false;
      if (schema.type === 'integer' && !Number.isSafeInteger(value)) return false;
      return value >= (schema.minimum ?? value) && value <= (schema.maximum ?? value);
    case 'boolean':
      return typeof value === 'boolean';
    case 'string':
      return typeof value === 'string' && stringFits(schema, value);
    default:
      return true;
  }
}

function stringFits(schema: Schema, value: string): boolean {
  if (value.length < (schema.minLength ?? 0)) return false;
  if (value.length > (schema.maxLength ?? value.length)) return false;
  if (schema.pattern !== undefined && !new RegExp(schema.pattern, 'u').test(value)) return false;
  if (schema.format === 'ip') return isIP(value) !== 0;
  if (schema.format === 'ip-port') return splitEndpoint(value) !== undefined;
  return true;
}

/** Splits `10.0.0.1:9000` or `[fd00::1]:9000`; undefined when it is neither. */
export function splitEndpoint(text: string): { readonly address: string; readonly port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const address = match[1] ?? match[2] ?? '';
  const port = Number(match[3]);
  if (isIP(address) !== (match[1] === undefined ? 4 : 6) || port < 1 || port > 65535) return undefined;
  return { address, port };
}

/** `address:port`, with brackets around an IPv6 address. */
export function joinEndpoint(address: string, port: number): string {
  return isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}

function fail(schema: Schema, value: unknown, place: Place): void {
  place.problems.push({ path: place.path, value: hide(schema, value), expected: expectation(schema) });
}

function hide(schema: Schema, value: unknown): unknown {
  if (schema.sensitive !== true || value === undefined) return value;
  return typeof value === 'string' ? `(hidden, ${value.length} characters)` : '(hidden)';
}

function expectation(schema: Schema): string {
  if (schema.expected !== undefined) return schema.expected;
  if (schema.anyOf !== undefined) return schema.anyOf.map(expectation).join(' or ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return `one of ${schema.enum.map((option) => JSON.stringify(option)).join(', ')}`;
  switch (schema.type) {
    case 'integer':
      return `an integer${between(schema.minimum, schema.maximum)}`;
    case 'number':
      return `a number${between(schema.minimum, schema.maximum)}`;
    case 'boolean':
      return 'true or false';
    case 'string':
      return `a string${schema.pattern === undefined ? '' : ` matching ${schema.pattern}`}${lengths(schema)}`;
    case 'array':
      return `a list${between(schema.minItems, schema.maxItems)} ${schema.minItems === undefined ? '' : 'entries'}`.trim();
    default:
      return 'a table';
  }
}

function between(low: number | undefined, high: number | undefined): string {
  if (low !== undefined && high !== undefined) return ` from ${low} to ${high}`;
  if (low !== undefined) return ` of at least ${low}`;
  return high === undefined ? '' : ` of at most ${high}`;
}

function lengths(schema: Schema): string {
  const range = between(schema.minLength, schema.maxLength);
  return range === '' ? '' : `, length${range.replace(/^ of/, '')}`;
}

function unknownKey(key: string, known: readonly string[]): string {
  const near = nearestKey(key, known);
  const list = near === undefined ? `one of ${known.toSorted().join(', ')}` : `${near} (the nearest known key)`;
  return `no key "${key}" here, but ${list}`;
}

/** The known key with the smallest edit distance, if it is near enough to be what was meant. */
export function nearestKey(key: string, known: readonly string[]): string | undefined {
  let best: { readonly name: string; readonly distance: number } | undefined;
  for (const name of known) {
    const distance = editDistance(key.toLowerCase(), name.toLowerCase());
    if (best === undefined || distance < best.distance) best = { name, distance };
  }
  if (best === undefined) return undefined;
  return best.distance <= Math.max(2, Math.ceil(best.name.length / 2)) ? best.name : undefined;
}

/** Levenshtein distance, two rows. */
function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= right.length; column += 1) {
      const replace = (previous[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1);
      current.push(Math.min(replace, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[right.length] ?? 0;
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

function show(value: unknown): string {
  if (typeof value === 'string' && /^(\(hidden|\d+ entries$)/.test(value)) return value;
  if (typeof value === 'bigint') return value.toString();
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
