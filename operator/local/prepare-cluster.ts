/**
 * Everything before the first process starts: resource, secrets, addresses, plan, folders and files.
 *
 * The order is that of the reconciler: validate, secrets, members, layout, children, apply.
 */
import { existsSync } from 'node:fs';
import os from 'node:os';
import { joinEndpoint } from '../../node/config/check.ts';
import type { OpenLakeCluster } from '../api/cluster.ts';
import type { MemberStatus } from '../api/status.ts';
import { type Plan, plan } from '../plan/plan.ts';
import { type Reservation, reserveAddresses } from './addresses.ts';
import { LocalError } from './local-error.ts';
import { localCandidates, localize, localNodeNames } from './localize.ts';
import { mountPod } from './mounts.ts';
import type { DataPaths } from './paths.ts';
import { readPeerTls } from './peer-tls.ts';
import { type LocalPod, podsOf } from './pod.ts';
import { endProcesses, isAlive, type ProcessIdentity } from './process-identity.ts';
import { readDocument, readResource } from './resource.ts';
import { ensureSecrets, type LocalSecrets, writeEnv } from './secrets.ts';
import { type LocalState, readState, writeState } from './state.ts';

export type PrepareOptions = {
  /** The resource; absent: the one that the directory was made for. */
  readonly file: string | undefined;
  readonly applicationRoot: string;
  readonly nodeBinary: string;
  readonly print: (line: string) => void;
};

export type PreparedCluster = {
  readonly cluster: OpenLakeCluster;
  readonly secrets: LocalSecrets;
  readonly reservation: Reservation;
  readonly endpoint: string;
  readonly pods: readonly LocalPod[];
  readonly state: LocalState;
  /** Plans again after the latch and writes the changed files. */
  readonly latchBootstrapped: () => void;
};

/** Makes the directory ready for its processes. Throws LocalError for what a user can mend. */
export async function prepareCluster(paths: DataPaths, supervisor: ProcessIdentity, options: PrepareOptions): Promise<PreparedCluster> {
  const previous = readState(paths);
  const resource = chooseResource(previous, options);
  if (previous !== undefined) await endLeftovers(previous, options.print);

  const { cluster, notes } = localize(resource, { cores: os.availableParallelism(), memoryBytes: os.totalmem() });
  for (const note of notes) options.print(`note: ${note}`);
  const names = localNodeNames(cluster);
  const peerTls = readPeerTls(cluster, { paths, memberIds: names.map((_, index) => index), nowMs: Date.now() });
  const secrets = { ...ensureSecrets(paths), peerTls };
  const reservation = await reserve(names, { cluster, previous });

  const apply = (bootstrapped: boolean): Extract<Plan, { kind: 'apply' }> =>
    planOrThrow({
      cluster,
      secrets,
      names,
      reservation,
      recorded: { members: previous?.members ?? [], layout: previous?.layout, bootstrapped },
    });
  const bootstrapped = previous?.bootstrapped ?? false;
  const first = apply(bootstrapped);
  for (const warning of first.warnings) options.print(`warning: ${warning}`);
  checkDrives(previous, { members: first.members, paths });

  const host = {
    paths,
    addresses: new Map(first.members.map((member) => [member.nodeName, member.address])),
    applicationRoot: options.applicationRoot,
    nodeBinary: options.nodeBinary,
  };
  const pods = first.children.daemonSets.flatMap((daemonSet) => podsOf(daemonSet, host));
  for (const pod of pods) mountPod(pod, { config: first.children.config, firstStart: previous?.layout === undefined });

  const endpoint = `http://${joinEndpoint(reservation.addresses[0] ?? '', cluster.spec.network.s3Port)}`;
  writeEnv(paths, { secrets, endpoint, region: cluster.spec.region });
  const state: LocalState = {
    format: 1,
    cluster: resource,
    phase: 'Starting',
    supervisor,
    control: joinEndpoint(reservation.addresses[0] ?? '', reservation.controlPort),
    clusterId: secrets.clusterId,
    bootstrapped,
    members: first.members,
    layout: first.layout,
    pods: [],
  };
  writeState(paths, state);
  const latchBootstrapped = (): void => {
    const { config } = apply(true).children;
    for (const pod of pods) mountPod(pod, { config, firstStart: false });
  };
  return { cluster, secrets, reservation, endpoint, pods, state, latchBootstrapped };
}

function chooseResource(previous: LocalState | undefined, options: PrepareOptions): OpenLakeCluster {
  if (options.file === undefined) {
    if (previous === undefined) throw new LocalError('Cannot start: no resource was given and the directory has none; use --file');
    return previous.cluster;
  }
  const resource = readResource({ file: options.file, document: readDocument(options.file) }, previous?.cluster);
  if (previous !== undefined && previous.cluster.metadata.name !== resource.metadata.name) {
    throw new LocalError(
      `Cannot use ${options.file}: metadata.name = ${JSON.stringify(resource.metadata.name)}: expected ${previous.cluster.metadata.name}, ` +
        'whose data is in this directory; use another one with --data',
    );
  }
  return resource;
}

/** A supervisor that was killed leaves its nodes running; they would hold drives and ports. */
async function endLeftovers(previous: LocalState, print: (line: string) => void): Promise<void> {
  const alive = previous.pods.filter((pod) => isAlive(pod.process));
  if (alive.length === 0) return;
  print(
    `an earlier supervisor was killed and left ${alive.length} nodes running; stopping them first: ${alive.map((pod) => `${pod.name} (pid ${pod.process?.pid})`).join(', ')}`,
  );
  await endProcesses(
    alive.flatMap((pod) => (pod.process === undefined ? [] : [pod.process])),
    30_000,
  );
}

async function reserve(
  names: readonly string[],
  from: { readonly cluster: OpenLakeCluster; readonly previous: LocalState | undefined },
): Promise<Reservation> {
  const preferred = names.flatMap(
    (name) => from.previous?.members.filter((member) => member.nodeName === name).map((member) => member.address) ?? [],
  );
  try {
    return await reserveAddresses(names.length, { network: from.cluster.spec.network, preferred });
  } catch (error) {
    throw new LocalError(error instanceof Error ? error.message : String(error));
  }
}

function planOrThrow(input: {
  readonly cluster: OpenLakeCluster;
  readonly secrets: LocalSecrets;
  readonly names: readonly string[];
  readonly reservation: Reservation;
  readonly recorded: Pick<LocalState, 'members' | 'layout' | 'bootstrapped'>;
}): Extract<Plan, { kind: 'apply' }> {
  const { addresses } = input.reservation;
  // Addresses may differ from the last time, ids and slots never do.
  const members = input.recorded.members.map(
    (member): MemberStatus => ({ ...member, address: addresses[input.names.indexOf(member.nodeName)] ?? member.address }),
  );
  const result = plan({
    cluster: input.cluster,
    candidates: localCandidates(input.names, addresses),
    secrets: input.secrets,
    recorded: { ...input.recorded, members, clusterId: input.secrets.clusterId },
  });
  if (result.kind === 'blocked') throw new LocalError(`Cannot start: ${result.message}`);
  return result;
}

/** Data directories are not moved about by hand without a word. */
function checkDrives(
  previous: LocalState | undefined,
  now: { readonly members: readonly MemberStatus[]; readonly paths: DataPaths },
): void {
  if (previous?.layout === undefined) return;
  const missing = now.members.filter((member) => !existsSync(now.paths.node(member.nodeName).root));
  if (missing.length === now.members.length) {
    throw new LocalError(
      `Cannot start: ${now.paths.root} has a state of cluster ${previous.clusterId}, but no folder of any of its nodes (${missing.map((member) => member.nodeName).join(', ')})`,
    );
  }
}
