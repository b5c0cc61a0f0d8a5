/**
 * A running cluster and the faults that a test can bring upon it. Nodes go by their number, 0 first.
 *
 * Partitions are rules of the packet filter on the peers' port, told apart by address: every node has its own, and its links leave from
 * it. They need a network namespace of their own (test/faults/run.ts makes one), so that nothing else on the machine can be hit.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HealView, SetsView } from '../../node/admin/schemas.ts';
import { sendOrder } from '../../operator/local/control.ts';
import { dataPaths } from '../../operator/local/paths.ts';
import { readSecrets } from '../../operator/local/secrets.ts';
import { readState } from '../../operator/local/state.ts';
import { localStatus, type StatusReport } from '../../operator/local/status.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { openDrives } from '../cluster/drive-damage.ts';
import { nodesOf, type Shape, writeResource } from './cluster-shape.ts';
import type { Fault } from './schedule.ts';

/** The longest time without any progress that a test waits for something; generous, since machines are slow and shared. */
const PATIENCE_MS = 180_000;
const PEER_PORT = 9001;
/** Objects of a drive that are damaged at once. */
const FLIPS = 8;

export type FaultCluster = AsyncDisposable & {
  readonly shape: Shape;
  readonly cluster: TestCluster;
  readonly names: readonly string[];
  /** http://ADDRESS:PORT of each node. */
  readonly endpoints: readonly string[];
  readonly status: () => Promise<StatusReport>;
  readonly waitFor: (what: string, wanted: (status: StatusReport) => boolean) => Promise<StatusReport>;
  /** Until all nodes are ready, and each of them sees all others. */
  readonly waitHealthy: () => Promise<void>;
  /** What every node says of its healing; all must answer. */
  readonly heal: () => Promise<readonly HealView[]>;
  readonly end: (node: number, signal: NodeJS.Signals) => Promise<void>;
  readonly start: (node: number) => Promise<void>;
  /** Sends a signal that does not end it. */
  readonly signal: (node: number, signal: 'SIGSTOP' | 'SIGCONT') => void;
  readonly drive: (node: number) => string;
  /** Brings a fault upon the cluster; resolves with what undoes it. Undoing waits for nothing. */
  readonly inflict: (fault: Fault) => Promise<() => Promise<void>>;
};

/** Starts a cluster of k + m nodes; resolves when it is healthy. */
export async function startFaultCluster(
  shape: Shape,
  options: { readonly chance: () => number } = { chance: Math.random },
): Promise<FaultCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'openlake-faults-'));
  const cluster = await startCluster(writeResource(shape, folder));
  rmSync(folder, { recursive: true });
  const paths = dataPaths(cluster.dataFolder);
  const status = (): Promise<StatusReport> => localStatus(paths);
  const { nodes } = await status();
  const names = nodes.map((node) => node.name);
  const admins = nodes.map((node) => node.endpoints.admin);
  const addresses = nodes.map((node) => new URL(node.endpoints.s3).hostname);

  const order = async (
    node: number,
    wanted: { readonly kind: 'start' } | { readonly kind: 'stop'; readonly signal: NodeJS.Signals },
  ): Promise<void> => {
    const control = readState(paths)?.control as string;
    const token = readSecrets(paths)?.adminToken as string;
    const reply = await sendOrder({ ...wanted, name: names[node] as string }, { control, token });
    if (reply.status !== 200) throw new Error(reply.message);
  };
  const waitFor = async (what: string, wanted: (now: StatusReport) => boolean): Promise<StatusReport> => {
    const endMs = performance.now() + PATIENCE_MS;
    for (;;) {
      const now = await status();
      if (wanted(now)) return now;
      if (performance.now() > endMs) throw new Error(`waited for ${what} in vain: ${JSON.stringify(now, null, 1)}`);
      await sleep(250);
    }
  };
  const signal = (node: number, name: 'SIGSTOP' | 'SIGCONT'): void => {
    const identity = readState(paths)?.pods.find((pod) => pod.name === names[node])?.process;
    if (identity === undefined) throw new Error(`node ${names[node]} has no process to send ${name} to`);
    process.kill(identity.pid, name);
  };
  const drive = (node: number): string => join(paths.node(names[node] as string).drives, 'd0');
  const start = (node: number): Promise<void> => order(node, { kind: 'start' });
  const end = (node: number, how: NodeJS.Signals): Promise<void> => order(node, { kind: 'stop', signal: how });
  const inflict = async ({ kind, nodes: chosen }: Fault): Promise<() => Promise<void>> => {
    switch (kind) {
      case 'kill':
      case 'restart':
        await Promise.all(chosen.map((node) => end(node, kind === 'kill' ? 'SIGKILL' : 'SIGTERM')));
        return async () => void (await Promise.all(chosen.map(start)));
      case 'wipe':
        await Promise.all(chosen.map((node) => end(node, 'SIGKILL')));
        for (const node of chosen) for (const name of readdirSync(drive(node))) rmSync(join(drive(node), name), { recursive: true });
        return async () => void (await Promise.all(chosen.map(start)));
      case 'stop':
        for (const node of chosen) signal(node, 'SIGSTOP');
        return async () => {
          for (const node of chosen) signal(node, 'SIGCONT');
        };
      case 'flip':
        for (const node of chosen) openDrives(drive(node)).flipSomewhere(FLIPS, options.chance);
        return () => Promise.resolve();
      default: {
        const rules = blockedPaths({ kind, nodes: chosen }, addresses).flatMap(rulesOf);
        for (const rule of rules) iptables('-A', rule);
        return () => Promise.resolve(rules.forEach((rule) => iptables('-D', rule)));
      }
    }
  };
  return {
    shape,
    cluster,
    names,
    endpoints: nodes.map((node) => node.endpoints.s3),
    status,
    waitFor,
    waitHealthy: async () => {
      await waitFor('all nodes to be ready', (now) => now.nodes.length === nodesOf(shape) && now.nodes.every((node) => node.ready));
      const token = readSecrets(paths)?.adminToken as string;
      const endMs = performance.now() + PATIENCE_MS;
      for (;;) {
        const views = await Promise.all(admins.map((url) => ownView(url, token)));
        if (views.every((view) => view === 'Healthy')) return;
        if (performance.now() > endMs) throw new Error(`waited for every node to see its set Healthy in vain: ${views.join(', ')}`);
        await sleep(250);
      }
    },
    heal: () => {
      const token = readSecrets(paths)?.adminToken as string;
      return Promise.all(admins.map(async (url) => (await getAdmin(`${url}/v1/heal`, token)) as HealView));
    },
    end,
    start,
    signal,
    drive,
    inflict,
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

/** A route of a node's admin API, as JSON. */
async function getAdmin(url: string, token: string): Promise<unknown> {
  const reply = await fetch(url, { headers: { authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(5000) });
  return reply.json();
}

/** The state of the only set as one node sees it: links take some seconds to come back once a partition is gone. */
async function ownView(admin: string, token: string): Promise<string> {
  try {
    const { sets } = (await getAdmin(`${admin}/v1/sets`, token)) as SetsView;
    return sets[0]?.state ?? 'Unknown';
  } catch (error) {
    return String(error);
  }
}

/** From one address to another; undefined stands for all. */
type BlockedPath = { readonly from: string | undefined; readonly to: string | undefined };

function blockedPaths(fault: Pick<Fault, 'kind' | 'nodes'>, addresses: readonly string[]): BlockedPath[] {
  const chosen = fault.nodes.map((node) => addresses[node]);
  switch (fault.kind) {
    case 'deafen':
      return chosen.map((to) => ({ from: undefined, to }));
    case 'mute':
      return chosen.map((from) => ({ from, to: undefined }));
    case 'cut': {
      const [left, right] = chosen;
      return [
        { from: left, to: right },
        { from: right, to: left },
      ];
    }
    default:
      return chosen.flatMap((address) => [
        { from: address, to: undefined },
        { from: undefined, to: address },
      ]);
  }
}

/** Requests go to the peers' port, answers come from it. */
function rulesOf({ from, to }: BlockedPath): string[][] {
  const ends = [...(from === undefined ? [] : ['-s', from]), ...(to === undefined ? [] : ['-d', to])];
  return ['--dport', '--sport'].map((port) => ['-p', 'tcp', ...ends, port, String(PEER_PORT), '-j', 'DROP']);
}

function iptables(verb: '-A' | '-D', rule: readonly string[]): void {
  execFileSync('iptables', ['-w', verb, 'INPUT', ...rule]);
}
