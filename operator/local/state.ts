/**
 * What a local cluster remembers between starts: its "status" and its pods, in DIR/state.json.
 *
 * Only the supervisor writes it. `status` and `down` read it, so they work when the supervisor died.
 */
import type { OpenLakeCluster } from '../api/cluster.ts';
import type { LayoutStatus, MemberStatus } from '../api/status.ts';
import { validateCluster } from '../api/validate.ts';
import { readIfPresent, writeWhole } from './files.ts';
import type { DataPaths } from './paths.ts';
import type { ProcessIdentity } from './process-identity.ts';

export type PodPhase = 'Starting' | 'Running' | 'BackOff' | 'Stopping' | 'Stopped';

export type LastExit = { readonly code: number | null; readonly signal: string | null; readonly at: string };

export type PodState = {
  readonly name: string;
  readonly phase: PodPhase;
  readonly ready: boolean;
  readonly restarts: number;
  /** Stopped on purpose: not restarted until asked. */
  readonly stoppedOnPurpose: boolean;
  readonly process: ProcessIdentity | undefined;
  readonly lastExit: LastExit | undefined;
};

export type ClusterPhase = 'Starting' | 'Ready' | 'Stopping' | 'Stopped' | 'Failed';

export type LocalState = {
  readonly format: 1;
  /** As the user wrote it, defaults filled in. */
  readonly cluster: OpenLakeCluster;
  readonly phase: ClusterPhase;
  readonly supervisor: ProcessIdentity | undefined;
  /** Where the supervisor takes orders, `address:port`. */
  readonly control: string | undefined;
  readonly clusterId: string;
  readonly bootstrapped: boolean;
  readonly members: readonly MemberStatus[];
  readonly layout: LayoutStatus | undefined;
  readonly pods: readonly PodState[];
};

/** The state of a directory; undefined when nothing ever ran there. Throws when it is of another format. */
export function readState(paths: DataPaths): LocalState | undefined {
  const text = readIfPresent(paths.state);
  if (text === undefined) return undefined;
  const state = JSON.parse(text) as LocalState;
  if (state.format !== 1) throw new Error(`Cannot use ${paths.state}: its format is ${String(state.format)}, expected 1`);
  // An earlier release knew fewer fields.
  const validation = validateCluster(state.cluster);
  return validation.kind === 'ok' ? { ...state, cluster: validation.cluster } : state;
}

export function writeState(paths: DataPaths, state: LocalState): void {
  writeWhole(paths.state, { text: `${JSON.stringify(state, null, 2)}\n`, mode: 0o600 });
}
