/** Tells the log how the drives stand: each of them at the start, then whatever changes, with the reason. */
import type { DriveStatus } from '../engine/addon.ts';
import type { Log } from './log.ts';

/** What is told of a drive; two that look alike are told once. */
function standing(drive: DriveStatus): string {
  return `${drive.state} ${drive.reason}`;
}

/** A function to be called with the drives as they are, again and again. */
export function driveWatch(log: Log): (drives: readonly DriveStatus[]) => void {
  const told = new Map<number, string>();
  return (drives) => {
    for (const drive of drives) {
      // How a rebuild goes on, the data plane tells itself; the drive is open when it is over.
      if (drive.state === 'Rebuilding') continue;
      const before = told.get(drive.index);
      if (before === standing(drive)) continue;
      told.set(drive.index, standing(drive));
      const { index, path, set, slot, state, reason, durabilityClass: durability } = drive;
      const facts = { drive: index, path, set, slot, state };
      if (state === 'Failed') log.error(reason, facts);
      else if (state !== 'Healthy') log.warn(reason, facts);
      else if (before !== undefined) log.info('drive is healthy again', facts);
      if (before === undefined && state !== 'Failed') log.info('drive open', { ...facts, durability });
    }
  };
}
