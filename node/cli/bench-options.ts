/** The command line of `openlake bench`: parsing and its errors. Pure. */
import { parseArgs } from 'node:util';

export const OPERATIONS: readonly string[] = ['put', 'get', 'head', 'delete', 'list', 'mixed', 'prepare'];

/** A run as asked for; units stand last in the names. */
export type BenchRequest = {
  readonly operation: string;
  readonly endpoints: readonly URL[];
  readonly region: string;
  readonly bucket: string;
  readonly prefix: string;
  readonly sizeBytes: number;
  readonly objects: number;
  readonly concurrency: number;
  readonly threads: number;
  readonly durationMs: number | undefined;
  readonly count: number | undefined;
  readonly prepared: boolean;
  readonly verify: boolean;
  readonly seed: number;
  readonly retries: number;
  readonly cleanup: boolean;
  readonly json: boolean;
};

export const BENCH_HELP: string = `openlake bench OPERATION [options]: loads any S3 endpoint and measures it
openlake bench drive DIR [options]: measures a single drive, without cluster or network (bench drive --help)

OPERATION is one of ${OPERATIONS.join(', ')} (mixed: 45 % get, 30 % put, 15 % head, 5 % delete,
5 % list; prepare: writes every object once, for runs with --prepared).
Keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; '. .openlake/env' sets them for a local cluster.

  --endpoint URL     http://host:port; may be given several times       (AWS_ENDPOINT_URL)
  --size SIZE        bytes of every object: 4096, 4KiB, 1MiB            (4KiB)
  --concurrency N    connections                                        (16)
  --threads N        client threads                                     (1)
  --duration TIME    10s, 500ms, 2m; ends the measured part             (10s, unless --count)
  --count N          operations in all, instead of a duration
  --objects N        distinct keys                                      (1000)
  --bucket NAME      created if missing                                 (openlake-bench)
  --prefix TEXT      keys are TEXT and a number                         (bench/)
  --prepared         the objects are there: left by \`bench prepare --keep\` of the same prefix, size,
                     concurrency and seed
  --verify           check every byte read, and everything once more at the end
  --seed N           bodies and choices follow from it                  (random, printed)
  --retries N        after 5xx and broken connections                   (0; with --verify 10)
  --region NAME                                                         (AWS_REGION, us-east-1)
  --keep             leave the objects there
  --json             print one JSON document
Exit codes: 0; 1 when an operation failed or a check did not hold; 2 for wrong usage.`;

export const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
};
const TIME_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A number with a unit; the error names option, value and expectation. */
export function quantity(option: string, options: { readonly text: string; readonly units: Readonly<Record<string, number>> }): number {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(options.text);
  const unit = match === null ? undefined : options.units[match[2] as string];
  if (match === null || unit === undefined) {
    const names = Object.keys(options.units).filter((name) => name !== '');
    throw new Error(`${option} is '${options.text}': expected a number with one of ${names.join(', ')}`);
  }
  return Math.round(Number(match[1]) * unit);
}

export function whole(option: string, options: { readonly text: string; readonly least: number }): number {
  const value = Number(options.text);
  if (!Number.isSafeInteger(value) || value < options.least) {
    throw new Error(`${option} is '${options.text}': expected a whole number from ${options.least}`);
  }
  return value;
}

function endpoint(text: string): URL {
  const url = URL.parse(text);
  if (url === null || url.protocol !== 'http:' || url.pathname !== '/') {
    throw new Error(`--endpoint is '${text}': expected http://host:port`);
  }
  return url;
}

/** Parses the words behind `openlake bench`. Throws an Error that says which option is wrong and what was expected. */
export function parseBenchArguments(
  words: readonly string[],
  options: { readonly environment: Readonly<Record<string, string | undefined>>; readonly randomSeed: number },
): BenchRequest {
  const { environment } = options;
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      endpoint: { type: 'string', multiple: true },
      size: { type: 'string', default: '4KiB' },
      concurrency: { type: 'string', default: '16' },
      threads: { type: 'string', default: '1' },
      duration: { type: 'string' },
      count: { type: 'string' },
      objects: { type: 'string', default: '1000' },
      bucket: { type: 'string', default: 'openlake-bench' },
      prefix: { type: 'string', default: 'bench/' },
      prepared: { type: 'boolean', default: false },
      verify: { type: 'boolean', default: false },
      seed: { type: 'string' },
      retries: { type: 'string' },
      region: { type: 'string' },
      keep: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const [operation, ...rest] = positionals;
  if (operation === undefined || rest.length > 0 || !OPERATIONS.includes(operation)) {
    throw new Error(`the operation is '${positionals.join(' ')}': expected one of ${OPERATIONS.join(', ')}`);
  }
  if (!/^[A-Za-z0-9/_.~-]*$/.test(values.prefix)) {
    throw new Error(`--prefix is '${values.prefix}': expected letters, digits and / _ . ~ -`);
  }
  const urls = values.endpoint ?? (environment['AWS_ENDPOINT_URL'] === undefined ? [] : [environment['AWS_ENDPOINT_URL']]);
  if (urls.length === 0) {
    throw new Error("no endpoint: expected --endpoint URL or AWS_ENDPOINT_URL (try '. .openlake/env')");
  }
  const count = values.count === undefined ? undefined : whole('--count', { text: values.count, least: 1 });
  const durationText = values.duration ?? (count === undefined ? '10s' : undefined);
  return {
    operation,
    endpoints: urls.map(endpoint),
    region: values.region ?? environment['AWS_REGION'] ?? 'us-east-1',
    bucket: values.bucket,
    prefix: values.prefix,
    sizeBytes: quantity('--size', { text: values.size, units: SIZE_UNITS }),
    objects: whole('--objects', { text: values.objects, least: 1 }),
    concurrency: whole('--concurrency', { text: values.concurrency, least: 1 }),
    threads: whole('--threads', { text: values.threads, least: 1 }),
    durationMs: durationText === undefined ? undefined : quantity('--duration', { text: durationText, units: TIME_UNITS }),
    count,
    prepared: values.prepared,
    verify: values.verify,
    seed: values.seed === undefined ? options.randomSeed : whole('--seed', { text: values.seed, least: 0 }),
    retries: whole('--retries', { text: values.retries ?? (values.verify ? '10' : '0'), least: 0 }),
    cleanup: !values.keep,
    json: values.json,
  };
}
