/**
 * The status of a local cluster: processes from the state file, drives and sets from the nodes themselves.
 */

import type { DriveView } from '../../node/admin/schemas.ts';
import { joinEndpoint } from '../../node/config/check.ts';
import { drivesPerNode } from '../api/rules.ts';
import type { MemberStatus } from '../api/status.ts';
import { type AdminAccess, fetchInfo, fetchSetHealth } from '../observe/admin-client.ts';
import type { SetHealth } from '../plan/sets.ts';
import { LocalError } from './local-error.ts';
import { lockHolder } from './lock.ts';
import type { DataPaths } from './paths.ts';
import { isAlive } from './process-identity.ts';
import { readSecrets } from './secrets.ts';
import { type ClusterPhase, type LastExit, type LocalState, type PodPhase, type PodState, readState } from './state.ts';

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
  /** Which I/O engine runs, and why. */
  readonly engine: string | null;
  readonly engineReason: string | null;
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
  const access: AdminAccess = { adminPort: network.adminPort, token: secrets.adminToken, timeoutMs: 2_000, nowMs: Date.now };
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
  const process = processReport(state.pods.find((pod) => pod.name === member.nodeName));
  const info = process.pid === null ? { error: 'the node does not run' } : await fetchInfo(member, access);
  const { s3Port, peerPort, adminPort } = state.cluster.spec.network;
  const endpoints = {
    s3: `http://${joinEndpoint(member.address, s3Port)}`,
    peer: joinEndpoint(member.address, peerPort),
    admin: `http://${joinEndpoint(member.address, adminPort)}`,
  };
  const base = { name: member.nodeName, id: member.id, pool: member.pool, ...process, endpoints, log: paths.node(member.nodeName).log };
  if ('error' in info) {
    return { ...base, version: null, engine: null, engineReason: null, drives: unreachableDrives(member, { state, error: info.error }) };
  }
  return {
    ...base,
    version: info.version,
    engine: info.engine.kind,
    engineReason: info.engine.reason,
    drives: info.drives.map(driveReport),
  };
}

/** What the supervisor wrote, corrected by whether the process is there: the supervisor may be gone. */
function processReport(
  pod: PodState | undefined,
): Pick<NodeReport, 'pid' | 'phase' | 'ready' | 'restarts' | 'stoppedOnPurpose' | 'lastExit'> {
  if (pod === undefined) return { pid: null, phase: 'Stopped', ready: false, restarts: 0, stoppedOnPurpose: false, lastExit: null };
  const alive = pod.process !== undefined && isAlive(pod.process);
  return {
    pid: alive ? (pod.process?.pid ?? null) : null,
    phase: alive || pod.phase === 'BackOff' ? pod.phase : 'Stopped',
    ready: alive && pod.ready,
    restarts: pod.restarts,
    stoppedOnPurpose: pod.stoppedOnPurpose,
    lastExit: pod.lastExit ?? null,
  };
}

function driveReport({ index, path, state, reason, setId, slot }: DriveView): DriveReport {
  return { index, path, state, reason: reason === '' ? null : reason, setId, slot };
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
