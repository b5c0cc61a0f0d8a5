/** The result of `npm run bench` as Markdown. Pure. */
import type { Load } from './loads.ts';
import type { Figures } from './measure.ts';

/** One load with what every store showed. */
export type Row = {
  readonly load: Load;
  readonly ours: Figures;
  readonly peer: Figures | undefined;
  readonly four: Figures | undefined;
  readonly floorUs: number;
};

/** Microseconds, milliseconds from 1 ms on. */
function time(microseconds: number | undefined): string {
  if (microseconds === undefined) return '-';
  return microseconds < 1000 ? `${microseconds.toFixed(1)} us` : `${(microseconds / 1000).toFixed(2)} ms`;
}

function judged(text: string, met: boolean | undefined): string {
  if (met === undefined) return text;
  return met ? `${text} ✓` : `${text} ✗`;
}

function most(figures: Figures | undefined, bar: number | undefined): string {
  if (figures === undefined) return '-';
  if (bar === undefined) return time(figures.processorUs);
  return judged(`${time(figures.processorUs)} (${time(bar).replace('.0 ', ' ').replace('.00 ', ' ')})`, figures.processorUs <= bar);
}

function ratio(row: Row): string {
  if (row.peer === undefined) return '-';
  const value = row.peer.processorUs / row.ours.processorUs;
  const bar = row.load.leastRatio;
  const text = `${value.toFixed(1)} x`;
  return bar === undefined ? text : judged(`${text} (${bar})`, value >= bar);
}

function markdown(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** CPU per unit beside the bars (in brackets), the peer and the floor; then rates and latencies. */
export function formatTables(rows: readonly Row[]): string {
  const processor = rows.map((row) => [
    `${row.load.work}${row.load.unit === 'MiB' ? ', per MiB' : ''}`,
    most(row.ours, row.load.mostUs?.one),
    time(row.peer?.processorUs),
    ratio(row),
    time(row.floorUs),
    (row.ours.processorUs / row.floorUs).toFixed(1),
    most(row.four, row.load.mostUs?.four),
    `${time(row.ours.busyUs)} / ${time(row.peer?.busyUs)}`,
  ]);
  const rates = rows.map((row) => [
    row.load.work,
    ...[row.ours, row.peer, row.four].flatMap((figures) =>
      figures === undefined
        ? ['-', '-', '-']
        : [
            `${figures.perSecond.toFixed(0)}${row.load.unit === 'MiB' ? ' MiB' : ''}`,
            (figures.p50Us / 1000).toFixed(2),
            (figures.p99Us / 1000).toFixed(2),
          ],
    ),
  ]);
  return [
    'CPU of all threads of the server, per request or MiB; bars in brackets.\n',
    markdown(
      ['Work', 'one process', 'MinIO', 'per CPU second', 'floor', 'times the floor', 'four processes', 'processor busy, ours / MinIO'],
      processor,
    ),
    '\nWhat the clock said: per second, and p50 and p99 in ms.\n',
    markdown(['Work', 'one process', 'p50', 'p99', 'MinIO', 'p50', 'p99', 'four processes', 'p50', 'p99'], rates),
  ].join('\n');
}
