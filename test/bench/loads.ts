/** What `npm run bench` asks of a store, and the bars: CPU of the server per operation, and how far ahead of MinIO. */

/** What one unit of CPU time is divided by. */
export type Unit = 'request' | 'MiB';

/** One kind of load. */
export type Load = {
  readonly work: string;
  /** Words of `openlake bench`: the operation, then options. */
  readonly operation: 'get' | 'put' | 'head' | 'list';
  readonly words: readonly string[];
  /** Objects that must be there first; written outside the measured time. */
  readonly prepared: boolean;
  readonly unit: Unit;
  /** Units of one operation: 64 for 64 MiB. */
  readonly unitsEach: number;
  /** Which floor of floors.ts it is held against. */
  readonly floor: 'small' | 'page' | 'sent' | 'hashed';
  /** Most CPU of the server per unit, in microseconds: one process with four drives; four processes with one each. */
  readonly mostUs?: { readonly one: number; readonly four?: number };
  /** Least times as many units per CPU second as MinIO. */
  readonly leastRatio?: number;
};

/** How large a run is. */
export type Scale = {
  /** Keys in the listed bucket. */
  readonly keys: number;
  /** Objects of 64 MiB. */
  readonly largeObjects: number;
};

const SMALL = { unit: 'request', unitsEach: 1, floor: 'small' } as const;

function words(prefix: string, concurrency: number, objects: number, size = '4KiB'): readonly string[] {
  return ['--prefix', prefix, '--concurrency', String(concurrency), '--objects', String(objects), '--size', size];
}

/** All loads in the order in which they run. */
export function loads(scale: Scale): readonly Load[] {
  const { keys, largeObjects } = scale;
  const bytes64 = { unit: 'MiB', unitsEach: 64 } as const;
  const bytes1 = { unit: 'MiB', unitsEach: 1 } as const;
  return [
    {
      ...SMALL,
      work: '4 KiB GET, hot, c=64',
      operation: 'get',
      words: words('get/', 64, 256),
      prepared: true,
      mostUs: { one: 20, four: 60 },
      leastRatio: 12,
    },
    { ...SMALL, work: '4 KiB GET, hot, c=1', operation: 'get', words: words('get1/', 1, 256), prepared: true },
    { ...SMALL, work: '4 KiB HEAD, c=64', operation: 'head', words: words('get/', 64, 256), prepared: true },
    {
      ...SMALL,
      work: '4 KiB durable PUT, c=64',
      operation: 'put',
      words: words('put/', 64, 100_000),
      prepared: false,
      mostUs: { one: 120, four: 250 },
      leastRatio: 15,
    },
    { ...SMALL, work: '4 KiB durable PUT, c=1', operation: 'put', words: words('put1/', 1, 100_000), prepared: false },
    {
      ...SMALL,
      work: 'LIST of 1000, c=4',
      operation: 'list',
      words: [...words('list/', 4, keys, '64B'), '--bucket', 'openlake-bench-list'],
      prepared: true,
      floor: 'page',
      mostUs: { one: 3000, four: 5000 },
      leastRatio: 15,
    },
    { ...bytes1, work: '1 MiB GET, c=4', operation: 'get', words: words('mid/', 4, 64, '1MiB'), prepared: true, floor: 'sent' },
    { ...bytes1, work: '1 MiB PUT, c=4', operation: 'put', words: words('mid-put/', 4, 64, '1MiB'), prepared: false, floor: 'hashed' },
    {
      ...bytes64,
      work: '64 MiB GET, c=4',
      operation: 'get',
      words: words('large/', 4, largeObjects, '64MiB'),
      prepared: true,
      floor: 'sent',
      mostUs: { one: 300 },
      leastRatio: 2.5,
    },
    {
      ...bytes64,
      work: '64 MiB PUT, c=4',
      operation: 'put',
      words: words('large-put/', 4, largeObjects, '64MiB'),
      prepared: false,
      floor: 'hashed',
      leastRatio: 2,
    },
  ];
}
