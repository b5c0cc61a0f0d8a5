/**
 * A node's configuration as files: its own part, and the part that all nodes of a cluster share.
 *
 * Members and layout are the same on every node and grow with the cluster, so a file per node that repeats them grows with
 * its square: 128 nodes with 16 drives each would take 10 MB, ten times what a Kubernetes Secret holds. So a file may say
 *
 *     include = "_cluster.toml"
 *
 * on a line before its first table; the file of that name in the same folder is then read as if it stood at the end.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';

/** Of the shared part; no node can have this name. */
export const SHARED_FILE = '_cluster.toml';

const INCLUDE = /^include = "([A-Za-z0-9_][-._A-Za-z0-9]*)"\n/m;

/** The line that asks for the shared part. */
export const INCLUDE_SHARED: string = `include = "${SHARED_FILE}"\n`;

/** The text of a configuration file with what it includes. Throws what reading throws. */
export function readConfigText(file: string): string {
  const own = readFileSync(file, 'utf8');
  const included = includedFile(own);
  return included === undefined ? own : joinParts(own, readFileSync(path.join(path.dirname(file), included), 'utf8'));
}

/** Both parts as one text. */
export function joinParts(own: string, shared: string): string {
  return `${own.replace(INCLUDE, '')}\n${shared}`;
}

function includedFile(text: string): string | undefined {
  const [top = ''] = text.split(/^\[/m, 1);
  return INCLUDE.exec(top)?.[1];
}
