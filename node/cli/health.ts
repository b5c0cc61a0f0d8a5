/**
 * The health command of the image, for runtimes that have no HTTP probes: asks the node of this container whether it serves.
 *
 *     node node/cli/health.ts [--config FILE]
 *
 * FILE defaults to the one that a pod has, /etc/openlake/$NODE_NAME.toml. Exit codes: 0 ready, 1 not ready or no answer, 2 wrong
 * usage or configuration.
 */
import { parseArgs } from 'node:util';
import { loadNodeConfig } from '../config/load.ts';

/** Below the five seconds that the image gives the whole command. */
const TIMEOUT_MS = 3000;

/** Where the admin API of the configured node listens, as seen from the same network namespace. */
function adminUrl(file: string): string {
  const listen = loadNodeConfig(file).listen.admin;
  // Bound to every address: any local one will do.
  return `http://${listen.replace(/^0\.0\.0\.0:/, '127.0.0.1:').replace(/^\[::\]:/, '[::1]:')}/readyz`;
}

let url: string;
try {
  const { values } = parseArgs({ options: { config: { type: 'string' } } });
  url = adminUrl(values.config ?? `/etc/openlake/${process.env['NODE_NAME'] ?? 'node'}.toml`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(2);
}
try {
  const answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  process.stdout.write(await answer.text());
  process.exitCode = answer.ok ? 0 : 1;
} catch (error) {
  process.stderr.write(`${url}: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
