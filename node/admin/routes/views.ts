/** What this node is, sees and runs with, and the order to drain: for the operator, with a token. */

import type { EngineStatus } from '../../engine/addon.ts';
import { slotOf } from '../../engine/engine-config.ts';
import { HealPaces, hintsHeld, viewHeal } from '../heal.ts';
import type { NodeState } from '../node-state.ts';
import { ConfigView, DrainView, type DriveView, ErrorView, HealView, InfoView, SetsView } from '../schemas.ts';
import { viewSets } from '../sets.ts';
import type { TypedServer } from './health.ts';

const security = [{ token: [] }];
const responses = <T>(view: T): { readonly 200: T; readonly 401: typeof ErrorView } => ({ 200: view, 401: ErrorView });

/** /info, /sets, /heal, /config, /drain */
export function addViewRoutes(server: TypedServer, state: NodeState): void {
  server.get('/info', { schema: { summary: 'What this node is and runs on', security, response: responses(InfoView) } }, async () => {
    const config = state.config();
    const status = await state.status();
    return {
      node: { id: config.node.id, name: config.node.name },
      version: state.version,
      engine: { kind: status.engineKind, reason: status.engineReason },
      cores: status.cores,
      uptimeSeconds: state.uptimeSeconds(),
      ready: state.readiness().ready,
      drives: viewDrives(state, status),
      cluster: { id: config.cluster.id, name: config.cluster.name, bootstrapped: state.isBootstrapped() },
    };
  });

  server.get('/sets', { schema: { summary: "This node's view of every set", security, response: responses(SetsView) } }, async () => {
    const status = await state.status();
    const peers = status.peers.map(({ node: nodeId, connected, encrypted }) => ({ nodeId, connected, encrypted }));
    return { sets: viewSets(state.config(), status), hintsHeld: hintsHeld(status), peers };
  });

  const paces = new HealPaces();
  server.get('/heal', { schema: { summary: "What this node's drives lack", security, response: responses(HealView) } }, async () =>
    viewHeal(await state.status(), { uptimeSeconds: state.uptimeSeconds(), paces }),
  );

  server.get('/config', { schema: { summary: 'Which configuration is in force', security, response: responses(ConfigView) } }, () => {
    const { hash, restartKeys, refusal } = state.configState();
    return { hash, epoch: state.config().layout.epoch, restartKeys: [...restartKeys], refusal };
  });

  server.post('/drain', { schema: { summary: 'Ends the process in order', security, response: responses(DrainView) } }, () => {
    state.drain();
    return { draining: true };
  });
}

function viewDrives(state: NodeState, status: EngineStatus): DriveView[] {
  const config = state.config();
  return config.drives.map((drive, index) => {
    const seen = status.drives.find((candidate) => candidate.index === index);
    const place = slotOf(config, index);
    const counter = (name: string): number => seen?.counters.find((candidate) => candidate.name === name)?.value ?? 0;
    return {
      index,
      path: drive.path ?? drive.device ?? '',
      state: seen?.state ?? 'Unused',
      reason: seen?.reason ?? 'no set uses this drive',
      setId: place?.set ?? null,
      slot: place?.slot ?? null,
      capacityBytes: counter('capacity_bytes'),
      usedBytes: counter('used_bytes'),
      durabilityClass: seen?.durabilityClass ?? '',
    };
  });
}
