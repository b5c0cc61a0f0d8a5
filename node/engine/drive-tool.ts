/** Looking at a drive that no node has open, typed. It needs no running engine; a drive in use is refused by its lock. */
import { type DriveInspection, type DriveRebuilt, type DriveVerification, loadAddon } from './addon.ts';

export type { DriveInspection, DriveRebuilt, DriveVerification } from './addon.ts';

/** What is on the drive in the directory `path`. Rejects when there is none there, or a process holds it. */
export async function inspectDrive(path: string): Promise<DriveInspection> {
  return loadAddon().inspectDrive(path);
}

/** Compares everything on a drive with everything else: records, space, accounts, index. Rejects as inspectDrive. */
export async function verifyDrive(path: string): Promise<DriveVerification> {
  return loadAddon().verifyDrive(path);
}

/** Makes a drive's index anew from its log. Rejects as inspectDrive. */
export async function rebuildDriveIndex(path: string): Promise<DriveRebuilt> {
  return loadAddon().rebuildDriveIndex(path);
}

/** Lets the next start of the drive's node make the index anew, beside its work. Rejects as inspectDrive. */
export async function orderDriveRebuild(path: string): Promise<void> {
  return loadAddon().orderDriveRebuild(path);
}
