/**
 * The storage node's process: reads its configuration, runs a StorageNode, ends in order.
 *
 *     node node/main.ts --config FILE
 *
 * SIGTERM first gives clients time to notice that the node is unready; SIGINT does not.
 * Exit codes: 0 after SIGTERM or SIGINT, 1 when the node cannot start or go on, 2 for wrong usage or configuration.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { readConfigText } from './config/file.ts';
import { ConfigError, loadNodeConfig } from './config/load.ts';
import { readPeerTls } from './config/peer-tls.ts';
import type { NodeConfig } from './config/schema.ts';
import { watchConfigFile } from './config/watch.ts';
import { wallMs } from './engine/clock.ts';
import { createLog } from './main/log.ts';
import { StorageNode } from './main/storage-node.ts';

const USAGE = `Usage: node node/main.ts --config FILE

Runs one storage node. FILE is its TOML (docs/reference/configuration.md).
`;

const file = readArguments();
const known = readText(file);
const config = readConfig(file);
const log = createLog({ level: config.log.level, wallMs, write: (line) => process.stderr.write(line) });
const node = new StorageNode({
  config,
  version: readVersion(),
  log,
  onFatal: () => void end(1),
  onDrain: () => void end(0, { hurry: false }),
});

process.on('SIGTERM', () => void end(0, { hurry: false }));
process.on('SIGINT', () => void end(0));
watchConfigFile(file, { known, onChange: (changed) => node.reload(changed) });
try {
  await node.start();
} catch (error) {
  // A start that was cut short by a signal fails too, and is no error.
  if (process.exitCode === undefined) log.error(messageOf(error));
  await end(1);
}

/** Stops the node and the process; the first call decides the exit code. */
async function end(code: number, options: { readonly hurry: boolean } = { hurry: true }): Promise<never> {
  process.exitCode ??= code;
  await node.stop(options);
  process.exit();
}

function readArguments(): string {
  const options = { config: { type: 'string' }, help: { type: 'boolean' } } as const;
  let values: { readonly config?: string; readonly help?: boolean };
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    return refuse(`${messageOf(error)}\n${USAGE}`);
  }
  if (values.help === true) {
    process.stdout.write(USAGE);
    process.exit(0);
  }
  return values.config ?? refuse(`--config is missing\n${USAGE}`);
}

function readConfig(path: string): NodeConfig {
  try {
    const loaded = loadNodeConfig(path);
    const peerTls = readPeerTls(loaded);
    if (peerTls.kind === 'invalid') throw new ConfigError(path, peerTls.problems);
    return loaded;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return refuse(`${error.message}\n`);
  }
}

/** Wrong usage or configuration. */
function refuse(text: string): never {
  process.stderr.write(text);
  process.exit(2);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What the watch compares with; a file that cannot be read is reported by readConfig. */
function readText(path: string): string {
  try {
    return readConfigText(path);
  } catch {
    return '';
  }
}

function readVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { readonly version: string };
  return manifest.version;
}
