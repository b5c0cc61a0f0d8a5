/**
 * The TOML of each node, from the resource, the members and the layout.
 *
 * Everything that a node may know about the cluster passes through here; the node has never heard of Kubernetes.
 */
import { createHash } from 'node:crypto';
import { joinEndpoint } from '../../node/config/check.ts';
import {
  DEFAULT_BODY_TIMEOUT_MS,
  DEFAULT_DRAIN_DELAY_MS,
  DEFAULT_DRAIN_TIMEOUT_MS,
  DEFAULT_HEAD_TIMEOUT_MS,
  DEFAULT_IDLE_TIMEOUT_MS,
  DEFAULT_MAX_CONNECTIONS,
  DEFAULT_PEER_TIMEOUT_MS,
} from '../../node/config/defaults.ts';
import { joinParts, SHARED_FILE } from '../../node/config/file.ts';
import { renderOwnPart, renderSharedPart } from '../../node/config/render.ts';
import type { DriveConfig, NodeConfig } from '../../node/config/schema.ts';
import type { OpenLakeCluster } from '../api/cluster.ts';
import type { PoolSpec } from '../api/pool.ts';
import { parseBytes } from '../api/quantity.ts';
import type { LayoutStatus, MemberStatus } from '../api/status.ts';
import { decodeSets } from './layout.ts';
import { type PeerTlsSettings, peerTlsFiles, peerTlsTable } from './peer-tls.ts';

/** What the operator generated, or read from Secrets; never part of the resource or its status. */
export type ClusterSecrets = {
  readonly peerSecrets: readonly string[];
  readonly adminToken: string;
  readonly credentials: readonly { readonly accessKey: string; readonly secretKey: string }[];
  /** Absent: links between nodes are authenticated, but not encrypted. */
  readonly peerTls?: PeerTlsSettings | undefined;
};

/** All that the children are made from. */
export type DesiredInput = {
  readonly cluster: OpenLakeCluster;
  readonly clusterId: string;
  /** The latch: false only until every set was Healthy once. */
  readonly bootstrapped: boolean;
  readonly members: readonly MemberStatus[];
  readonly layout: LayoutStatus;
  readonly secrets: ClusterSecrets;
  /** Device-plugin resource for RDMA by pool; pools that are absent ask for none. */
  readonly rdmaResources?: Readonly<Record<string, string>>;
};

export type RenderedConfigs = {
  /** By file name: the TOML of each node, what they share, and the files that it names. */
  readonly files: Readonly<Record<string, string>>;
  /** SHA-256 of each node's whole configuration by node name: what the node reports when it uses it. */
  readonly hashes: ReadonlyMap<string, string>;
};

/** The configurations of all members. */
export function renderConfigs(input: DesiredInput): RenderedConfigs {
  const files: Record<string, string> = {};
  const hashes = new Map<string, string>();
  let shared: string | undefined;
  for (const member of input.members) {
    const config = nodeConfig(input, member);
    shared ??= renderSharedPart(config);
    const own = renderOwnPart(config);
    files[`${member.nodeName}.toml`] = own;
    hashes.set(member.nodeName, createHash('sha256').update(joinParts(own, shared)).digest('hex'));
  }
  if (shared === undefined) return { files, hashes };
  const { peerTls } = input.secrets;
  return { files: { ...files, [SHARED_FILE]: shared, ...(peerTls === undefined ? {} : peerTlsFiles(peerTls)) }, hashes };
}

/** The configuration of one member. Throws when its pool is not in the spec, which membership never lets happen. */
export function nodeConfig(input: DesiredInput, member: MemberStatus): NodeConfig {
  const { spec, metadata } = input.cluster;
  const pool = spec.pools.find((candidate) => candidate.name === member.pool);
  if (pool === undefined) throw new Error(`Cannot configure node ${member.nodeName}: its pool ${member.pool} is not in the resource`);
  const { s3Port, peerPort, adminPort } = spec.network;
  return {
    cluster: { id: input.clusterId, name: metadata.name, region: spec.region, bootstrap: !input.bootstrapped && spec.adopt === undefined },
    layout: { epoch: input.layout.epoch, hash: input.layout.hash },
    node: { id: member.id, name: member.nodeName, address: member.address },
    listen: {
      s3: joinEndpoint(member.address, s3Port),
      peer: joinEndpoint(member.address, peerPort),
      admin: joinEndpoint(member.address, adminPort),
    },
    secrets: { peer_secrets: [...input.secrets.peerSecrets], admin_token: input.secrets.adminToken },
    ...(input.secrets.peerTls === undefined ? {} : { peer_tls: peerTlsTable(input.secrets.peerTls) }),
    credentials: input.secrets.credentials.map(({ accessKey, secretKey }) => ({ access_key: accessKey, secret_key: secretKey })),
    drives: driveConfigs(pool),
    nodes: input.members.map(({ id, address }) => ({ id, address, s3_port: s3Port, peer_port: peerPort, admin_port: adminPort })),
    sets: decodeSets(input.layout).map((set) => ({ ...set, slots: [...set.slots] })),
    io: {
      engine: lower(spec.io.engine),
      cores: spec.io.cores === 'Auto' ? 'auto' : spec.io.cores,
      pin: false,
      memory_bytes: parseBytes(spec.io.memory),
    },
    limits: {
      max_connections: DEFAULT_MAX_CONNECTIONS,
      head_timeout_ms: DEFAULT_HEAD_TIMEOUT_MS,
      idle_timeout_ms: DEFAULT_IDLE_TIMEOUT_MS,
      body_timeout_ms: DEFAULT_BODY_TIMEOUT_MS,
      peer_timeout_ms: DEFAULT_PEER_TIMEOUT_MS,
      drain_delay_ms: DEFAULT_DRAIN_DELAY_MS,
      drain_timeout_ms: DEFAULT_DRAIN_TIMEOUT_MS,
    },
    log: { level: 'info' },
  };
}

function driveConfigs(pool: PoolSpec): DriveConfig[] {
  const { directories, devices, adoptBlank } = pool.drives;
  if (directories !== undefined) {
    return directories.names.map((name) => ({
      path: `${directories.parent}/${name}`,
      mount_check: lower(directories.mountCheck),
      adopt_blank: adoptBlank,
    }));
  }
  return (devices?.paths ?? []).map((device) => ({ device, mount_check: 'strict', adopt_blank: adoptBlank }));
}

function lower<T extends string>(text: T): Lowercase<T> {
  return text.toLowerCase() as Lowercase<T>;
}
