/** `openlake status`: processes, endpoints, drives and sets of a local cluster. */
import { dataPaths } from '../local/paths.ts';
import { localStatus, type NodeReport, type StatusReport } from '../local/status.ts';
import { type Command, DATA_OPTION, parseOptions, print } from './command.ts';

export const status: Command = {
  name: 'status',
  summary: 'show nodes, drives and sets of a cluster on this machine',
  help: `Usage: openlake status [--data DIR] [--json]

Names every node's process, endpoints, drives and restarts, and every set's health as the nodes themselves see it.
A set's state needs two nodes that agree. Exit code 1: the cluster does not run.

  --data DIR   the data directory (default: .openlake)
  --json       the same as one JSON document
  --help       this text
`,
  run: async (args) => {
    const { values } = parseOptions(args, { options: { ...DATA_OPTION, json: { type: 'boolean', default: false } } });
    const report = await localStatus(dataPaths(values.data));
    print(values.json ? JSON.stringify(report, null, 2) : describe(report));
    return report.running ? 0 : 1;
  },
};

function describe(report: StatusReport): string {
  const healthy = report.sets.filter((set) => set.state === 'Healthy').length;
  const ready = report.nodes.filter((node) => node.ready).length;
  return [
    `cluster ${report.name}: ${report.phase}, ${ready}/${report.nodes.length} nodes ready, ${healthy}/${report.sets.length} sets healthy`,
    `endpoint ${report.endpoint}, data ${report.dataDirectory}, supervisor ${report.supervisor === null ? 'none' : `pid ${report.supervisor.pid}`}`,
    '',
    table([['NODE', 'ID', 'STATE', 'PID', 'RESTARTS', 'S3', 'ENGINE', 'DRIVES'], ...report.nodes.map(nodeRow)]),
    '',
    table([
      ['SET', 'POOL', 'CODING', 'STATE', 'VOTING', 'SHARDS', 'REASON'],
      ...report.sets.map((set) => [
        String(set.id),
        set.pool,
        `${set.data}+${set.parity}`,
        set.state,
        `${set.voting}/${set.data + set.parity} (W ${set.writeQuorum}, R ${set.readQuorum})`,
        `${set.minShards}/${set.data + set.parity}`,
        // A slot that does not serve is named in both.
        set.reason === '' ? set.healing : set.reason,
      ]),
    ]),
    ...driveReasons(report.nodes),
  ].join('\n');
}

/** A line for each drive that says why it is not as it should be. */
function driveReasons(nodes: readonly NodeReport[]): string[] {
  const running = nodes.filter((node) => node.pid !== null);
  const lines = running.flatMap(({ name, drives }) =>
    drives.flatMap(({ index, state, reason }) => (reason === null ? [] : [`${name} drive ${index}: ${state}: ${reason}`])),
  );
  return lines.length === 0 ? [] : ['', ...lines];
}

function nodeRow(node: NodeReport): string[] {
  const state = node.ready ? 'Ready' : node.stoppedOnPurpose ? 'Stopped (on purpose)' : node.phase;
  const drives = node.drives.map((drive) => `${drive.index}:${drive.state}`).join(' ');
  return [
    node.name,
    String(node.id),
    state,
    node.pid === null ? '-' : String(node.pid),
    String(node.restarts),
    node.endpoints.s3,
    node.engine ?? '-',
    drives,
  ];
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
