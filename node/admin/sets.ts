/**
 * This node's view of every set, from its own drives and its links. Pure.
 *
 * A slot on another node counts as serving while a link to that node is up; whether the drive behind it is well, that
 * node says itself, and the operator puts the views together.
 */
import type { NodeConfig } from '../config/schema.ts';
import type { EngineStatus } from '../engine/addon.ts';
import { type Quorums, quorums } from '../layout/quorum.ts';
import { healState } from './heal.ts';
import type { SetState, SetView, SlotView } from './schemas.ts';

/** One view for each set of the layout. */
export function viewSets(config: NodeConfig, status: Pick<EngineStatus, 'drives' | 'peers'>): SetView[] {
  return config.sets.map((set) => {
    const slots = set.slots.map(({ node, drive }, slot): SlotView => {
      const seen = node === config.node.id ? viewOwn(drive, status) : viewPeer(node, status);
      return { slot, nodeId: node, drive, ...seen };
    });
    const voting = slots.filter((slot) => slot.state === 'Serving').length;
    const { write, read, size } = quorums(set);
    return {
      id: set.id,
      data: set.data,
      parity: set.parity,
      writeQuorum: write,
      readQuorum: read,
      voting,
      state: setState(voting, { write, read, size }),
      slots,
    };
  });
}

/** The state of a set of which `voting` slots take part. */
export function setState(voting: number, { write, read, size }: Pick<Quorums, 'write' | 'read' | 'size'>): SetState {
  if (voting >= size) return 'Healthy';
  if (voting >= write) return 'Degraded';
  return voting >= read ? 'ReadOnly' : 'Offline';
}

type Seen = Pick<SlotView, 'state' | 'reason' | 'heal'>;

function viewOwn(index: number, status: Pick<EngineStatus, 'drives'>): Seen {
  const drive = status.drives.find((candidate) => candidate.index === index);
  if (drive === undefined) return { state: 'Failed', reason: `drive ${index} is not open` };
  if (drive.state === 'Failed' || drive.state === 'Rebuilding') return { state: 'Failed', reason: drive.reason };
  return { state: 'Serving', reason: '', heal: healState(drive) };
}

function viewPeer(node: number, status: Pick<EngineStatus, 'peers'>): Seen {
  const peer = status.peers.find((candidate) => candidate.node === node);
  if (peer === undefined) return { state: 'Unreachable', reason: `no link to node ${node} was tried yet` };
  return peer.connected ? { state: 'Serving', reason: '' } : { state: 'Unreachable', reason: peer.reason };
}
