/**
 * The status of a cluster, built whole from what one pass saw and decided. Pure; apply/status.ts writes it when it changed.
 */
import type { ClusterSpec } from '../api/cluster.ts';
import type { ClusterStatus, LayoutStatus, MemberStatus, RolloutStatus } from '../api/status.ts';
import { cannotSpareNode } from '../desired/layout.ts';
import { type Judgement, type Judgements, no, writeConditions, yes } from './conditions.ts';
import { describeMember, type MemberFacts } from './members.ts';
import type { SetHealth } from './sets.ts';
import type { ObservedCluster } from './snapshot.ts';

/** What went wrong in planning, by the condition that shows it. */
export type Problems = {
  readonly spec?: Judgement;
  readonly nodes?: Judgement;
  readonly membership?: Judgement;
  readonly credentials?: Judgement;
  readonly certificates?: Judgement;
  /** Links between nodes. */
  readonly links?: Judgement;
  readonly config?: Judgement;
  readonly upgrade?: Judgement;
  readonly stalled?: Judgement;
  /** Work under way, in words. */
  readonly progress?: Judgement;
};

export type StatusInput = {
  readonly nowMs: number;
  readonly cluster: ObservedCluster;
  /** Undefined while it is not valid. */
  readonly spec: ClusterSpec | undefined;
  readonly clusterId: string | undefined;
  readonly bootstrapped: boolean;
  readonly layout: LayoutStatus | undefined;
  readonly members: readonly MemberFacts[];
  readonly sets: readonly SetHealth[];
  readonly candidates: NonNullable<ClusterStatus['candidates']>;
  readonly rollout: RolloutStatus | undefined;
  readonly rdma: NonNullable<ClusterStatus['rdma']>;
  readonly certificates: NonNullable<ClusterStatus['certificates']>;
  readonly config: ClusterStatus['config'];
  readonly problems: Problems;
};

export function buildStatus(input: StatusInput): ClusterStatus {
  const { cluster, spec, sets } = input;
  const members = input.members.map(describeMember);
  const serving = members.filter(isServing).length;
  const healthy = sets.filter((set) => set.state === 'Healthy').length;
  const unhealthy = sets.filter((set) => set.state !== 'Healthy').slice(0, 50);
  const judgements = judge(input, members);
  const previous = cluster.status;
  const versions = [...new Set(input.members.flatMap(({ answer }) => (answer?.info === undefined ? [] : [answer.info.version])))];
  const current = versions.length === 1 ? versions[0] : previous.version?.current;
  return {
    observedGeneration: cluster.generation,
    phase: phaseOf(input, judgements),
    bootstrapped: input.bootstrapped,
    ...(input.clusterId === undefined ? {} : { clusterId: input.clusterId }),
    ...(input.layout === undefined ? {} : { layout: input.layout }),
    ...(members.length === 0 ? {} : { members, membersReady: `${serving}/${members.length}` }),
    ...(sets.length === 0 ? {} : { setsHealthy: `${healthy}/${sets.length}`, setCounts: countSets(sets) }),
    sets: unhealthy.map(({ id, state, voting, reason }) => ({ id, state, voting, reason: reason.slice(0, 512) })),
    writable: sets.length > 0 && sets.every((set) => set.state === 'Healthy' || set.state === 'Degraded'),
    ...(spec === undefined ? {} : { version: { target: spec.version, ...(current === undefined ? {} : { current }) } }),
    ...(input.candidates.length === 0 ? {} : { candidates: [...input.candidates].slice(0, 50) }),
    ...(input.rollout === undefined ? {} : { rollout: input.rollout }),
    ...(members.length === 0 ? {} : { rdma: input.rdma }),
    ...(input.certificates.length === 0 ? {} : { certificates: input.certificates }),
    ...(input.config === undefined ? {} : { config: input.config }),
    ...(spec === undefined || members.length === 0
      ? {}
      : {
          endpoints: {
            s3: `http://${cluster.name}.${cluster.namespace}.svc:${spec.network.s3Port}`,
            admin: `http://${cluster.name}-nodes.${cluster.namespace}.svc:${spec.network.adminPort}`,
          },
        }),
    conditions: writeConditions(judgements, { previous: previous.conditions ?? [], generation: cluster.generation, nowMs: input.nowMs }),
  };
}

function judge(input: StatusInput, members: readonly MemberStatus[]): Judgements {
  const { problems } = input;
  const stalled =
    problems.stalled ??
    firstFailed(problems.spec, problems.credentials, problems.certificates, refused(problems.config)) ??
    no('NotStalled');
  return {
    Ready: readiness(input),
    Reconciling: reconciling(input, { members, stalled: stalled.status === true }),
    Stalled: stalled,
    Degraded: degradation(input, members),
    SpecValid: problems.spec ?? yes('Valid'),
    NodesEligible: problems.nodes ?? yes('Eligible'),
    MembershipStable: problems.membership ?? yes('Stable'),
    CredentialsValid: problems.credentials ?? yes('CredentialsFound'),
    CertificatesValid: problems.certificates ?? yes('CertificatesNotAsked'),
    PeersEncrypted: problems.links ?? no('TlsDisabled'),
    ConfigApplied: problems.config ?? yes('ConfigInForce'),
    UpgradeSafe: problems.upgrade ?? upgradeSafety(input),
  };
}

/** Whether the layout can spare a node at all; a restart that waits says more. */
function upgradeSafety({ layout, spec }: StatusInput): Judgement {
  const why = layout === undefined || spec === undefined ? undefined : cannotSpareNode(layout, spec.update.availability);
  return why === undefined ? yes('Safe') : no('LayoutCannotSpareNode', `rolling restarts wait for approval: ${why}`);
}

/** A judgement of another condition as the one of Stalled. */
function firstFailed(...judgements: readonly (Judgement | undefined)[]): Judgement | undefined {
  const failed = judgements.find((judgement) => judgement?.status === false);
  return failed === undefined ? undefined : yes(failed.reason, failed.message);
}

function refused(config: Judgement | undefined): Judgement | undefined {
  return config?.reason === 'ConfigRefused' ? config : undefined;
}

function readiness(input: StatusInput): Judgement {
  if (input.cluster.deleting) return no('Deleting', 'pods go, data stays');
  const { sets } = input;
  const away = sets.filter((set) => set.state === 'ReadOnly' || set.state === 'Offline');
  if (!input.bootstrapped)
    return no('Bootstrapping', sets.length === 0 ? 'no member was chosen yet' : nameSets(sets.filter((set) => set.state !== 'Healthy')));
  if (away.length > 0) return no('SetsUnavailable', nameSets(away));
  const unknown = sets.filter((set) => set.state === 'Unknown');
  if (unknown.length > 0 || sets.length === 0) return { status: 'Unknown', reason: 'SetsUnknown', message: nameSets(unknown) };
  return yes('Serving', `${sets.length} of ${sets.length} sets can be read and written`);
}

function reconciling(input: StatusInput, from: { readonly members: readonly MemberStatus[]; readonly stalled: boolean }): Judgement {
  const { problems } = input;
  if (input.spec?.paused === true) return no('Paused', 'spec.paused is true: nothing but the status is written');
  if (from.stalled) return no('UpToDate', 'see Stalled');
  if (problems.progress !== undefined) return problems.progress;
  if (problems.nodes?.status === false) return yes('NodesNotEligible', problems.nodes.message);
  if (problems.config?.status === false) return yes('Progressing', problems.config.message);
  if (!input.bootstrapped) {
    const starting = from.members.filter((member) => member.state !== 'Serving');
    return yes('Progressing', starting.length === 0 ? 'waiting until every set is Healthy once' : nameMembers(starting));
  }
  return no('UpToDate');
}

function degradation(input: StatusInput, members: readonly MemberStatus[]): Judgement {
  const wrong = input.sets.filter((set) => set.state !== 'Healthy');
  if (wrong.length > 0 && input.bootstrapped) return yes('SetsDegraded', nameSets(wrong));
  const away = members.filter((member) => !isServing(member));
  if (away.length > 0 && input.bootstrapped) return yes('MembersNotServing', nameMembers(away));
  return no('AllHealthy');
}

function phaseOf(input: StatusInput, judgements: Judgements): NonNullable<ClusterStatus['phase']> {
  if (judgements.Stalled.status === true) return 'Failed';
  if (input.members.length === 0) return 'Pending';
  if (!input.bootstrapped) return 'Starting';
  if (judgements.Ready.status !== true) return 'Failed';
  return judgements.Degraded.status === true ? 'Degraded' : 'Ready';
}

function isServing(member: MemberStatus): boolean {
  return member.state === 'Serving' || member.state === 'CatchingUp' || member.state === 'Maintenance';
}

function countSets(sets: readonly SetHealth[]): NonNullable<ClusterStatus['setCounts']> {
  const count = (state: SetHealth['state']): number => sets.filter((set) => set.state === state).length;
  return {
    healthy: count('Healthy'),
    degraded: count('Degraded'),
    readOnly: count('ReadOnly'),
    offline: count('Offline'),
    unknown: count('Unknown'),
  };
}

function nameSets(sets: readonly SetHealth[]): string {
  return sets.map((set) => `set ${set.id} is ${set.state} (${set.voting} of ${set.data + set.parity} vote): ${set.reason}`).join('; ');
}

function nameMembers(members: readonly MemberStatus[]): string {
  return members.map(({ id, nodeName, state, message }) => `member ${id} (${nodeName}) is ${state}: ${message ?? ''}`).join('; ');
}
