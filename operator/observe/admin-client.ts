/**
 * What the nodes say about themselves on their admin API, and the sets' health from all their answers together.
 */
import http from 'node:http';
import type { ConfigView, InfoView, SetsView } from '../../node/admin/schemas.ts';
import { joinEndpoint } from '../../node/config/check.ts';
import type { LayoutStatus, MemberStatus } from '../api/status.ts';
import { mergeSetViews, type NodeView, type SetHealth } from '../plan/sets.ts';

export type AdminAccess = {
  readonly adminPort: number;
  readonly token: string;
  readonly timeoutMs: number;
  /** The clock that stamps the answers. */
  readonly nowMs: () => number;
};

/** What one node said; each part is undefined where the node did not answer it. */
export type MemberAnswer = {
  readonly info: InfoView | undefined;
  readonly config: ConfigView | undefined;
  readonly view: NodeView | undefined;
  /** Why there is no info. */
  readonly error: string | undefined;
};

/** Asks one node for everything, side by side. */
export async function fetchAnswer(member: MemberStatus, access: AdminAccess): Promise<MemberAnswer> {
  const [info, config, view] = await Promise.all([
    fetchInfo(member, access),
    getJson(member, '/v1/config', access).catch(() => undefined),
    fetchView(member, access),
  ]);
  const error = 'error' in info ? info.error : undefined;
  return { info: 'error' in info ? undefined : info, config: config as ConfigView | undefined, view, error };
}

/** The info of one node, or why there is none. */
export async function fetchInfo(member: MemberStatus, access: AdminAccess): Promise<InfoView | { readonly error: string }> {
  try {
    return (await getJson(member, '/v1/info', access)) as InfoView;
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

/** Asks all members for their view of the sets and merges the answers. */
export async function fetchSetHealth(
  cluster: { readonly members: readonly MemberStatus[]; readonly layout: LayoutStatus },
  access: AdminAccess,
): Promise<SetHealth[]> {
  const answers = await Promise.all(cluster.members.map((member) => fetchView(member, access)));
  const views = answers.filter((view) => view !== undefined);
  return mergeSetViews(cluster.layout, { views, nowMs: access.nowMs(), nodes: cluster.members.length });
}

async function fetchView(member: MemberStatus, access: AdminAccess): Promise<NodeView | undefined> {
  try {
    const { sets, hintsHeld, peers } = (await getJson(member, '/v1/sets', access)) as SetsView;
    const told = { ...(hintsHeld === undefined ? {} : { hintsHeld }), ...(peers === undefined ? {} : { peers }) };
    return { nodeId: member.id, atMs: access.nowMs(), sets, ...told };
  } catch {
    return undefined;
  }
}

/** An answer is at most a few KiB a set. */
const MAXIMUM_BODY_BYTES = 16 * 1024 * 1024;

function getJson(member: MemberStatus, path: string, access: AdminAccess): Promise<unknown> {
  const url = `http://${joinEndpoint(member.address, access.adminPort)}${path}`;
  return new Promise((resolve, reject) => {
    const request = http.get(
      url,
      { agent: false, timeout: access.timeoutMs, headers: { authorization: `Bearer ${access.token}` } },
      (response) => {
        const chunks: Buffer[] = [];
        let length = 0;
        response.on('data', (chunk: Buffer) => {
          length += chunk.length;
          chunks.push(chunk);
          if (length > MAXIMUM_BODY_BYTES) request.destroy(new Error(`${url} answers more than ${MAXIMUM_BODY_BYTES} bytes`));
        });
        response.on('end', () => {
          if (response.statusCode !== 200) return reject(new Error(`${url} answers ${response.statusCode}`));
          try {
            resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')));
          } catch {
            reject(new Error(`${url} answers no JSON`));
          }
        });
        response.on('error', reject);
      },
    );
    request.on('timeout', () => request.destroy(new Error(`${url} does not answer within ${access.timeoutMs} ms`)));
    request.on('error', reject);
  });
}
