/** The load of the fault tests: `openlake bench` as a process of its own, its report taken apart. */
import { type BenchReport, bench as benchAt, type OperationFigures } from '../cluster/steady-load.ts';
import type { FaultCluster } from './fault-cluster.ts';

/** Runs `openlake bench WORDS` against nodes of a cluster (all, unless told); resolves when it has ended. */
export function bench(
  on: FaultCluster,
  options: { readonly words: readonly string[]; readonly nodes?: readonly number[] },
): Promise<BenchReport> {
  const nodes = options.nodes ?? on.endpoints.map((_, node) => node);
  return benchAt(
    on.cluster,
    nodes.map((node) => on.endpoints[node] as string),
    options.words,
  );
}

/** The figures of one operation; throws where it was never done. */
export function figuresOf(report: BenchReport, name: string): OperationFigures {
  const found = report.operations.find((figures) => figures.name === name);
  if (found === undefined || found.count === 0) throw new Error(`the report has no ${name}: ${JSON.stringify(report)}`);
  return found;
}

/** All that was done, and what of it failed or had to be tried again. */
export function totalsOf(report: BenchReport): { readonly count: number; readonly errors: number; readonly retries: number } {
  const sum = (of: (figures: OperationFigures) => number): number => report.operations.reduce((total, figures) => total + of(figures), 0);
  return { count: sum((one) => one.count), errors: sum((one) => one.errors), retries: sum((one) => one.retries) };
}
