/**
 * Makes the folders that a trial keeps its data in, so that nobody has to log in to every machine first.
 *
 * Only plain folders (mount_check = "directory"), and only until the cluster was whole once: afterwards a folder that is missing is a
 * lost drive, not a new one. A drive that is a mount point is never made.
 */
import { mkdirSync } from 'node:fs';
import type { NodeConfig } from '../config/schema.ts';
import type { Log } from './log.ts';

/** Makes what is missing; what cannot be made is logged, and the data plane then reports that drive as failed. */
export function makeTrialDrives(config: NodeConfig, log: Log): void {
  if (!config.cluster.bootstrap) return;
  for (const drive of config.drives) {
    if (drive.path === undefined || drive.mount_check !== 'directory') continue;
    try {
      mkdirSync(drive.path, { recursive: true, mode: 0o700 });
    } catch (error) {
      log.error('cannot make the folder of a drive', { path: drive.path, error: error instanceof Error ? error.message : String(error) });
    }
  }
}
