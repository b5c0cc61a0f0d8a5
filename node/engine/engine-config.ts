/**
 * The part of the node's configuration that the data plane works by. Pure.
 *
 * The data plane knows nothing of TOML: names, defaults and rules are settled before, and what it gets is flat.
 */
import { joinEndpoint } from '../config/check.ts';
import type { PeerTls } from '../config/peer-tls.ts';
import type { NodeConfig } from '../config/schema.ts';
import type { EngineConfig, LayoutConfig } from './addon.ts';

/** What `startEngine` is given; `peerTls` is what stands in the files that the configuration names. */
export function engineConfig(config: NodeConfig, peerTls?: PeerTls): EngineConfig {
  return {
    cluster: config.cluster.id,
    node: config.node.id,
    bootstrap: config.cluster.bootstrap,
    peerSecrets: config.secrets.peer_secrets,
    peerTls,
    listenS3: config.listen.s3,
    listenPeer: config.listen.peer,
    engine: config.io.engine,
    cores: config.io.cores === 'auto' ? 0 : config.io.cores,
    pin: config.io.pin,
    memoryBytes: config.io.memory_bytes,
    deadlineMs: config.limits.peer_timeout_ms,
    drives: drivesInSlots(config),
    layout: layoutConfig(config),
  };
}

/** Sets and peer addresses, for the start and for every reload. */
export function layoutConfig(config: NodeConfig): LayoutConfig {
  return {
    epoch: config.layout.epoch,
    hash: config.layout.hash,
    sets: config.sets.map(({ id, data, parity, weight, slots }) => ({ id, data, parity, weight, slots })),
    nodes: config.nodes.map((node) => ({ id: node.id, address: joinEndpoint(node.address, node.peer_port) })),
  };
}

/** This node's drives with the slots that they fill; a drive without a slot is not opened. */
function drivesInSlots(config: NodeConfig): EngineConfig['drives'] {
  return config.drives.flatMap((drive, index) => {
    const place = slotOf(config, index);
    if (place === undefined) return [];
    return [
      {
        index,
        path: drive.path ?? drive.device ?? '',
        ...place,
        mustBeMount: drive.mount_check === 'strict',
        adoptBlank: drive.adopt_blank ?? false,
        capacityBytes: drive.capacity_bytes ?? 0,
      },
    ];
  });
}

/** The set and slot that a drive of this node fills. */
export function slotOf(config: NodeConfig, drive: number): { readonly set: number; readonly slot: number } | undefined {
  for (const set of config.sets) {
    const slot = set.slots.findIndex((place) => place.node === config.node.id && place.drive === drive);
    if (slot >= 0) return { set: set.id, slot };
  }
  return undefined;
}
