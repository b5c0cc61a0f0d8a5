/** What the log says of drives, and that it says it once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DriveStatus } from '../../../node/engine/addon.ts';
import { driveWatch } from '../../../node/main/drive-watch.ts';
import { createLog } from '../../../node/main/log.ts';

function drive(state: DriveStatus['state'], reason = ''): DriveStatus {
  const place = { index: 0, path: '/mnt/d0', set: 3, slot: 1, core: 0, generation: 1 };
  return { ...place, state, reason, durabilityClass: 'flush', healState: 'whole', healReason: '', counters: [] };
}

/** The lines that a row of looks leaves, without their times. */
function linesOf(looks: readonly DriveStatus[]): readonly string[] {
  const lines: string[] = [];
  const log = createLog({
    level: 'info',
    wallMs: () => 0,
    write: (line) => lines.push(line.slice('1970-01-01T00:00:00.000Z '.length, -1)),
  });
  const watch = driveWatch(log);
  for (const look of looks) watch([look]);
  return lines;
}

const facts = (state: string): string => `drive=0 path=/mnt/d0 set=3 slot=1 state=${state}`;

test('a drive is told at the start, when it falls ill with the reason, and when it is well again', () => {
  const looks = [drive('Healthy'), drive('Healthy'), drive('Suspect', 'a block is damaged'), drive('Suspect', 'a block is damaged')];
  assert.deepEqual(linesOf([...looks, drive('Failed', 'writes fail'), drive('Healthy')]), [
    `info  drive open ${facts('Healthy')} durability=flush`,
    `warn  a block is damaged ${facts('Suspect')}`,
    `error writes fail ${facts('Failed')}`,
    `info  drive is healthy again ${facts('Healthy')}`,
  ]);
});

test('a drive that is ill from the start says why', () => {
  assert.deepEqual(linesOf([drive('Suspect', 'the log is damaged')]), [
    `warn  the log is damaged ${facts('Suspect')}`,
    `info  drive open ${facts('Suspect')} durability=flush`,
  ]);
  assert.deepEqual(linesOf([drive('Failed', 'it belongs to another cluster')]), [`error it belongs to another cluster ${facts('Failed')}`]);
});

test('a drive whose index is rebuilt is open when that is over', () => {
  const looks = [drive('Rebuilding', '1 of 9 segments'), drive('Rebuilding', '2 of 9 segments'), drive('Suspect', 'it was rebuilt')];
  assert.deepEqual(linesOf(looks), [`warn  it was rebuilt ${facts('Suspect')}`, `info  drive open ${facts('Suspect')} durability=flush`]);
});
