/** Readiness, wholeness and metrics: what probes and scrapers ask, without a token. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import { createMetrics } from '../../metrics/registry.ts';
import type { NodeState } from '../node-state.ts';
import { engineSamples, processSamples, sample } from '../samples.ts';
import { viewSets } from '../sets.ts';

/** A server whose routes are typed by their schemas. */
export type TypedServer = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxTypeProvider>;

/** /readyz, /wholez, /metrics */
export function addHealthRoutes(server: TypedServer, state: NodeState): void {
  const metrics = createMetrics();

  server.get('/readyz', { schema: { summary: '200 while the S3 port serves; otherwise 503 and the reason' } }, (_request, reply) => {
    const { ready, reason } = state.readiness();
    return reply
      .code(ready ? 200 : 503)
      .type('text/plain')
      .send(`${ready ? 'ready' : reason}\n`);
  });

  server.get('/wholez', { schema: { summary: '200 while this node serves and its drives have caught up' } }, async (_request, reply) => {
    const problem = await findProblem(state);
    return await reply
      .code(problem === undefined ? 200 : 503)
      .type('text/plain')
      .send(`${problem ?? 'whole'}\n`);
  });

  server.get('/metrics', { schema: { summary: 'Metrics in the text form of Prometheus' } }, async (_request, reply) => {
    const { ready } = state.readiness();
    const status = await state.status().catch(() => undefined);
    const info = { version: state.version, engine: status?.engineKind ?? '', node: String(state.config().node.id) };
    const samples = [
      sample('info', info, 1),
      sample('ready', {}, ready ? 1 : 0),
      sample('memoryLimit', {}, state.config().io.memory_bytes),
      ...processSamples(),
      ...state.samples(),
      ...(status === undefined ? [] : engineSamples(status)),
    ];
    return await reply.type(metrics.contentType).send(await metrics.render(samples));
  });
}

/** Why the node is not whole; undefined when it is. */
async function findProblem(state: NodeState): Promise<string | undefined> {
  const { ready, reason } = state.readiness();
  if (!ready) return reason;
  const status = await state.status();
  const own = viewSets(state.config(), status).flatMap((set) => set.slots.filter((slot) => slot.nodeId === state.config().node.id));
  const failed = own.filter((slot) => slot.state !== 'Serving');
  return failed.length === 0 ? undefined : failed.map((slot) => slot.reason).join('; ');
}
