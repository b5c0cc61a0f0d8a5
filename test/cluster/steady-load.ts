/**
 * A load that checks every byte, for as long as a test needs it: short runs of `openlake bench`, each right after the one before, so that
 * what a test does meanwhile happens under load however slow the machine is.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { openlake, type TestCluster } from './cluster.ts';

export type OperationFigures = {
  readonly name: string;
  readonly count: number;
  readonly errors: number;
  readonly retries: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
};

/** What `openlake bench --json` prints. */
export type BenchReport = {
  readonly seed: number;
  readonly violations: number;
  readonly errors: number;
  readonly failures: readonly string[];
  readonly operations: readonly OperationFigures[];
};

/** Runs `openlake bench WORDS` against endpoints to its end; throws when it did not even begin. */
export async function bench(cluster: TestCluster, endpoints: readonly string[], words: readonly string[]): Promise<BenchReport> {
  const all = ['bench', ...words, ...endpoints.flatMap((endpoint) => ['--endpoint', endpoint]), '--json'];
  const finished = await openlake(all, cluster.env);
  if (finished.stdout === '') throw new Error(`openlake bench ended with ${finished.code}: ${finished.stderr}`);
  return JSON.parse(finished.stdout) as BenchReport;
}

export type SteadyLoad = {
  /** Resolves once a run has ended that began after this call. */
  readonly oneRun: () => Promise<void>;
  /** Lets the current run end; resolves with the reports of all. Throws what a run threw. */
  readonly end: () => Promise<readonly BenchReport[]>;
};

/** Starts a load of runs with `words`, which should say how much one of them does (`--count`). */
export function startLoad(cluster: TestCluster, endpoints: readonly string[], words: readonly string[]): SteadyLoad {
  const reports: BenchReport[] = [];
  const state = { begun: 0, ending: false, failed: false };
  const work = async (): Promise<void> => {
    while (!state.ending) {
      state.begun += 1;
      reports.push(await bench(cluster, endpoints, words));
    }
  };
  const over = work();
  over.catch(() => {
    state.failed = true;
  });
  return {
    oneRun: async () => {
      const wanted = state.begun + 1;
      while (reports.length < wanted && !state.failed) await sleep(20);
      if (state.failed) await over;
    },
    end: async () => {
      state.ending = true;
      await over;
      return reports;
    },
  };
}

/** No request of any run failed, no byte was wrong, and each run read everything once more at its end. */
export function assertRight(reports: readonly BenchReport[], objects: number): void {
  assert.ok(reports.length > 0, 'no load ran');
  for (const report of reports) {
    const said = `seed ${report.seed}: ${report.failures.join('\n')}`;
    assert.equal(report.violations, 0, said);
    assert.equal(report.errors, 0, said);
    assert.ok((report.operations.find(({ name }) => name === 'check')?.count ?? 0) >= objects, JSON.stringify(report));
  }
}
