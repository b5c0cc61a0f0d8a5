/**
 * Every reason that conditions, members, rollouts and Events carry: stable words with what they mean for the data, in one
 * table, so that documents and code cannot part.
 */

export const CONDITION_TYPES = [
  'Ready',
  'Reconciling',
  'Stalled',
  'Degraded',
  'SpecValid',
  'NodesEligible',
  'MembershipStable',
  'CredentialsValid',
  'CertificatesValid',
  'PeersEncrypted',
  'ConfigApplied',
  'UpgradeSafe',
] as const;

export type ConditionType = (typeof CONDITION_TYPES)[number];

type Entry = {
  /** Where it appears. */
  readonly place: ConditionType | 'Rollout' | 'Member' | 'Event';
  readonly impact: string;
};

const table = {
  Serving: { place: 'Ready', impact: 'reads and writes succeed' },
  SetsUnavailable: { place: 'Ready', impact: 'writes, or reads too, fail for a part of the objects' },
  SetsUnknown: { place: 'Ready', impact: 'unknown: no two nodes agree on what they see' },
  Bootstrapping: { place: 'Ready', impact: 'not yet in service' },
  Deleting: { place: 'Ready', impact: 'pods go, data stays' },
  UpToDate: { place: 'Reconciling', impact: 'none' },
  Progressing: { place: 'Reconciling', impact: 'none by itself' },
  RollingRestart: { place: 'Reconciling', impact: 'one node at a time is away' },
  Paused: { place: 'Reconciling', impact: 'nothing is changed but the status' },
  NotStalled: { place: 'Stalled', impact: 'none' },
  RolloutStuck: { place: 'Stalled', impact: 'the restarted node stays away; no second one is touched' },
  Forbidden: { place: 'Stalled', impact: 'the operator may not do what it must; running pods go on' },
  ChildNotOurs: { place: 'Stalled', impact: 'an object of the same name belongs to somebody else; it is left alone' },
  ChildRefused: { place: 'Stalled', impact: 'the API server does not take an object; what runs goes on' },
  ApiUnavailable: { place: 'Stalled', impact: 'changes wait for the API server; the data path goes on' },
  AllHealthy: { place: 'Degraded', impact: 'none' },
  SetsDegraded: { place: 'Degraded', impact: 'reads and writes go on with less to spare' },
  MembersNotServing: { place: 'Degraded', impact: 'as the sets say' },
  Valid: { place: 'SpecValid', impact: 'none' },
  Invalid: { place: 'SpecValid', impact: 'changes are not carried out; running pods go on' },
  PoolNotDrained: { place: 'SpecValid', impact: 'the pool that left the spec keeps running' },
  ExpansionNotSupported: { place: 'SpecValid', impact: 'the added pool is not used; the others go on' },
  DrivesHoldData: { place: 'SpecValid', impact: 'nothing starts until adopt, or until the old identity is removed' },
  AdoptInUse: { place: 'SpecValid', impact: 'nothing starts: another resource serves this cluster' },
  LayoutImpossible: { place: 'SpecValid', impact: 'nothing starts' },
  Eligible: { place: 'NodesEligible', impact: 'none' },
  NodesNotEligible: { place: 'NodesEligible', impact: 'nothing starts until enough nodes match' },
  Stable: { place: 'MembershipStable', impact: 'none' },
  LabelsLost: { place: 'MembershipStable', impact: 'none: members stay' },
  NodeGone: { place: 'MembershipStable', impact: 'the member is away until its node returns' },
  CredentialsFound: { place: 'CredentialsValid', impact: 'none' },
  SecretMissing: { place: 'CredentialsValid', impact: 'the last known credentials stay valid' },
  SecretInvalid: { place: 'CredentialsValid', impact: 'the last known credentials stay valid' },
  CertificatesNotAsked: { place: 'CertificatesValid', impact: 'none' },
  CertificatesFound: { place: 'CertificatesValid', impact: 'none' },
  CertificateExpiresSoon: {
    place: 'CertificatesValid',
    impact: 'none yet: less than a sixth of its lifetime is left, and nobody renewed it',
  },
  CertificateMissing: {
    place: 'CertificatesValid',
    impact: 'nodes keep what they have: the last certificate, or no TLS; a new cluster waits',
  },
  CertificateInvalid: {
    place: 'CertificatesValid',
    impact: 'nodes keep what they have: the last certificate, or no TLS; a new cluster waits',
  },
  CertificateExpired: {
    place: 'CertificatesValid',
    impact: 'links that are up go on; no new one is made, so a node that restarts stays away',
  },
  TlsDisabled: { place: 'PeersEncrypted', impact: 'who can read the network between nodes reads objects; nobody can change them or join' },
  LinksEncrypted: { place: 'PeersEncrypted', impact: 'none' },
  LinksNotEncrypted: { place: 'PeersEncrypted', impact: 'some links can be read on the network' },
  SwitchingTls: { place: 'Reconciling', impact: 'none: TLS between nodes, or its certificates, change step by step' },
  ConfigInForce: { place: 'ConfigApplied', impact: 'none' },
  ConfigPending: { place: 'ConfigApplied', impact: 'some nodes still use the last configuration' },
  ConfigRefused: { place: 'ConfigApplied', impact: 'the node keeps its last configuration' },
  Safe: { place: 'UpgradeSafe', impact: 'none' },
  LayoutCannotSpareNode: { place: 'UpgradeSafe', impact: 'a restart would stop writes, or reads of new objects, so it waits for approval' },
  SetsWouldLoseWrites: { place: 'Rollout', impact: 'none: the restart waits (G1)' },
  TooFewSpareShards: { place: 'Rollout', impact: 'none: the restart waits (G2)' },
  PreviousNotBack: { place: 'Rollout', impact: 'none: the restart waits (G3)' },
  ViewsDisagree: { place: 'Rollout', impact: 'none: the restart waits (G7)' },
  LeaseTooOld: { place: 'Rollout', impact: 'none: the restart waits (G7)' },
  RolloutPaused: { place: 'Rollout', impact: 'none: the restart waits (G7)' },
  WaitingForApproval: { place: 'Rollout', impact: 'none: the restart waits' },
  NoPod: { place: 'Member', impact: 'the member is away' },
  PodNotRunning: { place: 'Member', impact: 'the member is away' },
  NotReady: { place: 'Member', impact: 'the member is away or starting' },
  NoAnswer: { place: 'Member', impact: 'the member may be away' },
  DrivesFailed: { place: 'Member', impact: 'a part of its drives is away' },
  PodFailed: { place: 'Member', impact: 'the member is away' },
  NodeCordoned: { place: 'Member', impact: 'the member may go soon' },
  NodeNotReady: { place: 'Member', impact: 'the member is probably away' },
  MembersChosen: { place: 'Event', impact: 'none' },
  LayoutWarning: { place: 'Event', impact: 'as it says: the layout works, but somebody should know what it costs' },
  Bootstrapped: { place: 'Event', impact: 'in service' },
  RestartingPod: { place: 'Event', impact: 'one node is away for its restart' },
  PeerTlsChanged: { place: 'Event', impact: 'none' },
  RolloutDone: { place: 'Event', impact: 'none' },
  SetsChanged: { place: 'Event', impact: 'as it says' },
  SecretsGenerated: { place: 'Event', impact: 'none' },
  DataKept: { place: 'Event', impact: 'none: drives and Secrets stay for adopt' },
} as const satisfies Readonly<Record<string, Entry>>;

export type Reason = keyof typeof table;

/** For documents and their test. */
export const reasons: Readonly<Record<Reason, Entry>> = table;
