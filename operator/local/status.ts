/**
 * The status of a local cluster: processes from the state file, drives and sets from the nodes themselves.
 */
import { joinEndpoint } from '../../node/config/check.ts';
import type { MemberStatus } from '../api/status.ts';
import { drivesPerNode } from '../api/rules.ts';
import type { SetHealth } from '../plan/sets.ts';
import { type AdminAccess, fetchInfo, fetchSetHealth } from './admin-client.ts';
import { LocalError } from './local-error.ts';
import { lockHolder } from './lock.ts';
import type { DataPaths } from './paths.ts';
import { isAlive } from './process-identity.ts';
import { readSecrets } from './secrets.ts';
import { type ClusterPhase, type LastExit, type LocalState, type PodPhase, readState } from './state.ts';

export type DriveReport = {
  readonly index: number;
  readonly path: string | null;
  /** As the node says; Unreachable when it does not answer. */
  readonly state: string;
  readonly reason: string | null;
  readonly setId: number | null;
  readonly slot: number | null;
};

export type NodeReport = {
  readonly name: string;
  readonly id: number;
  readonly pool: string;
  readonly pid: number | null;
  readonly phase: PodPhase;
  readonly ready: boolean;
  readonly restarts: number;
  readonly stoppedOnPurpose: boolean;
  readonly lastExit: LastExit | null;
  readonly endpoints: { readonly s3: string; readonly peer: string; readonly admin: string };
  readonly version: string | null;
  readonly engine: string | null;
  readonly drives: readonly DriveReport[];
  readonly log: string;
};

export type StatusReport = {
  readonly name: string;
  readonly phase: ClusterPhase;
  readonly running: boolean;
  readonly dataDirectory: string;
  readonly clusterId: string;
  readonly bootstrapped: boolean;
  readonly supervisor: { readonly pid: number } | null;
  readonly endpoint: string;
  readonly layout: { readonly epoch: number; readonly hash: string } | null;
  readonly nodes: readonly NodeReport[];
  readonly sets: readonly SetHealth[];
};

/** Asks everyone and puts the answers together. Throws LocalError when nothing ever ran in the directory. */
export async function localStatus(paths: DataPaths): Promise<StatusReport> {
  const state = readState(paths);
  const secrets = readSecrets(paths);
  if (state === undefined || secrets === undefined) throw new LocalError(`There is no cluster in ${paths.root}: it has no state.json`);
  const supervisor = lockHolder(paths);
  const { network } = state.cluster.spec;
  const access: AdminAccess = { adminPort: network.adminPort, token: secrets.adminToken, timeoutMs: 2_000 };
  const running = supervisor !== undefined || state.pods.some((pod) => isAlive(pod.process));
  const { layout, members } = state;
  const [nodes, sets] = await Promise.all([
    Promise.all(members.map((member) => nodeReport(member, { state, paths, access }))),
    layout === undefined ? [] : fetchSetHealth({ members, layout }, access),
  ]);
  return {
    name: state.cluster.metadata.name,
    phase: running ? state.phase : state.phase === 'Failed' ? 'Failed' : 'Stopped',
    running,
    dataDirectory: paths.root,
    clusterId: state.clusterId,
    bootstrapped: state.bootstrapped,
    supervisor: supervisor === undefined ? null : { pid: supervisor.pid },
    endpoint: `http://${joinEndpoint(members[0]?.address ?? '', network.s3Port)}`,
    layout: layout === undefined ? null : { epoch: layout.epoch, hash: layout.hash },
    nodes,
    sets,
  };
}

async function nodeReport(
  member: MemberStatus,
  from: { readonly state: LocalState; readonly paths: DataPaths; readonly access: AdminAccess },
): Promise<NodeReport> {
  const { state, paths, access } = from;
  const { s3Port, peerPort, adminPort } = state.cluster.spec.network;
  const pod = state.pods.find((candidate) => candidate.name === member.nodeName);
  const alive = isAlive(pod?.process);
  const info = alive ? await fetchInfo(member, access) : { error: 'the node does not run' };
  const known = 'error' in info ? undefined : info;
  return {
    name: member.nodeName,
    id: member.id,
    pool: member.pool,
    pid: alive ? (pod?.process?.pid ?? null) : null,
    phase: alive || pod?.phase === 'BackOff' ? (pod?.phase ?? 'Stopped') : 'Stopped',
    ready: alive && (pod?.ready ?? false),
    restarts: pod?.restarts ?? 0,
    stoppedOnPurpose: pod?.stoppedOnPurpose ?? false,
    lastExit: pod?.lastExit ?? null,
    endpoints: {
      s3: `http://${joinEndpoint(member.address, s3Port)}`,
      peer: joinEndpoint(member.address, peerPort),
      admin: `http://${joinEndpoint(member.address, adminPort)}`,
    },
    version: known?.version ?? null,
    engine: known?.engine ?? null,
    drives:
      known === undefined ? unreachableDrives(member, { state, error: 'error' in info ? info.error : '' }) : known.drives.map(driveReport),
    log: paths.node(member.nodeName).log,
  };
}

function driveReport(drive: {
  readonly index: number;
  readonly path: string;
  readonly state: string;
  readonly reason?: string | null;
  readonly setId?: number | null;
  readonly slot?: number | null;
}): DriveReport {
  return {
    index: drive.index,
    path: drive.path,
    state: drive.state,
    reason: drive.reason ?? null,
    setId: drive.setId ?? null,
    slot: drive.slot ?? null,
  };
}

/** What the layout says about drives of a node that cannot be asked. */
function unreachableDrives(member: MemberStatus, from: { readonly state: LocalState; readonly error: string }): DriveReport[] {
  const pool = from.state.cluster.spec.pools.find((candidate) => candidate.name === member.pool);
  const count = pool === undefined ? 0 : drivesPerNode(pool);
  return Array.from({ length: count }, (_, index) => {
    const name = `${member.id}/${index}`;
    const set = from.state.layout?.sets.find((candidate) => candidate.slots.includes(name));
    return { index, path: null, state: 'Unreachable', reason: from.error, setId: set?.id ?? null, slot: set?.slots.indexOf(name) ?? null };
  });
}
