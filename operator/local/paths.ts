/**
 * The data directory of a local cluster.
 *
 *     DIR/env             credentials and endpoint for S3 clients, to be sourced (0600)
 *     DIR/secrets.json    cluster id, peer secret, admin token, root keys; generated once (0600)
 *     DIR/secrets/NAME/   the user's: stands for the Secret NAME that the resource names, one file a key
 *     DIR/state.json      the status: members, addresses, layout, process ids
 *     DIR/supervisor.pid  lock: one supervisor per directory
 *     DIR/supervisor.log  what the supervisor prints when it runs in the background
 *     DIR/NODE/config/    the mounted Secret: NODE.toml (0600) and the files that it names
 *     DIR/NODE/drives/    what the pod sees as the parent of its drives
 *     DIR/NODE/log        what the node prints
 */
import path from 'node:path';

export type NodePaths = { readonly root: string; readonly config: string; readonly drives: string; readonly log: string };

export type DataPaths = {
  readonly root: string;
  readonly env: string;
  readonly secrets: string;
  readonly secret: (name: string) => string;
  readonly state: string;
  readonly lock: string;
  readonly supervisorLog: string;
  readonly node: (name: string) => NodePaths;
};

/** Paths below `directory`, all absolute. */
export function dataPaths(directory: string): DataPaths {
  const root = path.resolve(directory);
  return {
    root,
    env: path.join(root, 'env'),
    secrets: path.join(root, 'secrets.json'),
    secret: (name) => path.join(root, 'secrets', name),
    state: path.join(root, 'state.json'),
    lock: path.join(root, 'supervisor.pid'),
    supervisorLog: path.join(root, 'supervisor.log'),
    node: (name) => {
      const folder = path.join(root, name);
      return { root: folder, config: path.join(folder, 'config'), drives: path.join(folder, 'drives'), log: path.join(folder, 'log') };
    },
  };
}
