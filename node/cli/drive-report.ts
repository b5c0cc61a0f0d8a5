/** What `openlake drive` prints: reports as text. */
import type { DriveInspection, DriveRebuilt, DriveVerification } from '../engine/drive-tool.ts';
import { formatBytes } from './bench-report.ts';

/** An inspection, one fact a line. */
export function formatInspection(found: DriveInspection): string {
  const share = ((found.usedBytes / found.capacityBytes) * 100).toFixed(1);
  return [
    `drive ${found.drive} of cluster ${found.cluster}`,
    `set ${found.set}, slot ${found.slot}, generation ${found.generation}, set epoch ${found.setEpoch}`,
    found.state === 'Healthy' ? 'state: Healthy' : `state: ${found.state}: ${found.reason}`,
    `boot ${found.boot}, floor ${found.driveFloor}, ${typeof found.dirty === 'string' ? `dirty up to ${found.dirty}` : 'clean'}`,
    `space: ${formatBytes(found.usedBytes)} of ${formatBytes(found.capacityBytes)} used (${share} %)`,
    `  segments of ${formatBytes(found.segmentBytes)}, granules of ${formatBytes(found.granuleBytes)}, ` +
      `containers of ${formatBytes(found.containerBytes)}; ${found.madeSegments} of ${found.segments} segments exist`,
    `  log: ${found.logSegments} segments, ${formatBytes(found.liveLogBytes)} live`,
    `  bulk: ${found.bulkSegments} segments, ${formatBytes(found.bulkBytes)} in use`,
    `index: ${found.keys} keys, ${found.runs.length} runs`,
    ...found.runs.map(
      (run) => `  run ${run.id}: level ${run.level}, ${run.entries} entries, ${formatBytes(run.bytes)} in ${run.extents} extents`,
    ),
    `log: ${found.replayedSegments} segments read behind the checkpoint, up to batch ${found.lastSequence}`,
    'roots:',
    ...found.roots.map(formatRoot),
    ...found.notes.map((note) => `note: ${note}`),
  ].join('\n');
}

function formatRoot(root: DriveInspection['roots'][number]): string {
  const checkpoint =
    typeof root.checkpoint === 'number' ? `checkpoint ${root.checkpoint}` : root.hasManifest ? 'unreadable manifest' : 'no checkpoint';
  const flags = [root.clean ? 'clean end' : '', root.rebuild ? 'index to be rebuilt' : '']
    .filter((flag) => flag !== '')
    .map((flag) => `, ${flag}`);
  const log = `log from segment ${root.logSegment} (generation ${root.logGeneration}) at ${root.logOffset}`;
  return `  root ${root.sequence}: ${checkpoint}, ${log}, batch ${root.lastSequence}${flags.join('')}`;
}

/** A verification: the counts, then every error. */
export function formatVerification(found: DriveVerification): string {
  const counts = `${found.rows} rows, ${found.records} records, ${found.bulkExtents} bulk extents, ${found.logSegments} log segments`;
  const hidden = found.errorCount - found.errors.length;
  return [
    `${counts}: ${found.errorCount === 0 ? 'all sound' : `${found.errorCount} errors`}`,
    ...found.errors.map((error) => `  ${error}`),
    ...(hidden > 0 ? [`  and ${hidden} more`] : []),
  ].join('\n');
}

/** A rebuild. */
export function formatRebuilt(made: DriveRebuilt): string {
  const reason = made.reason === '' ? '' : ` (${made.reason})`;
  return `the index was made anew: ${made.keys} keys; the drive is ${made.state}${reason}, boot ${made.boot}`;
}
