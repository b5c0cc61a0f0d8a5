/** How a finished benchmark run is shown to a person. Pure. */
import type { BenchReport } from '../engine/bench.ts';
import { OPERATIONS } from './bench-options.ts';

/** Bytes in the largest binary unit that keeps a digit before the point. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** Microseconds, or milliseconds from 1 ms on. */
export function formatLatency(microseconds: number): string {
  return microseconds < 1000 ? `${microseconds.toFixed(0)} us` : `${(microseconds / 1000).toFixed(2)} ms`;
}

/** Operations a second; the prepare, check and clean-up phases lie outside the measured time and have no rate. */
export function measuredRate(report: BenchReport, options: { readonly name: string; readonly count: number }): number | undefined {
  return !OPERATIONS.includes(options.name) || report.elapsedMs <= 0 ? undefined : options.count / (report.elapsedMs / 1000);
}

/** The report as a table and, below it, what went wrong. */
export function formatBenchReport(report: BenchReport): string {
  const header = ['operation', 'count', 'errors', 'retries', 'per second', 'bytes/s', 'mean', 'p50', 'p90', 'p99', 'p99.9', 'max'];
  const rows = report.operations.map((figures) => {
    const rate = measuredRate(report, figures);
    return [
      figures.name,
      String(figures.count),
      String(figures.errors),
      String(figures.retries),
      rate === undefined ? '-' : rate.toFixed(0),
      rate === undefined || figures.count === 0 ? '-' : `${formatBytes((rate * figures.bytes) / figures.count)}/s`,
      ...[figures.meanUs, figures.p50Us, figures.p90Us, figures.p99Us, figures.p999Us, figures.maxUs].map(formatLatency),
    ];
  });
  return [...formatTable([header, ...rows]), ...report.failures.map((failure) => `! ${failure}`)].join('\n');
}

/** Lines of a table: the first column to the left, all others to the right. */
export function formatTable(table: readonly (readonly string[])[]): string[] {
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((row) => (row[column] ?? '').length)));
  return table.map((row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  '),
  );
}
