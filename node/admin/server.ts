/**
 * The admin port: readiness and metrics for everyone, `/v1` for who holds the admin token.
 *
 * Plain data in, plain data out: every route reads NodeState and answers by a schema of schemas.ts. The liveness probe is
 * not here but on the S3 port, where the data plane answers it without JavaScript.
 */
import { timingSafeEqual } from 'node:crypto';
import swagger from '@fastify/swagger';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify, { type FastifyInstance } from 'fastify';
import type { NodeState } from './node-state.ts';
import { addHealthRoutes } from './routes/health.ts';
import { addViewRoutes } from './routes/views.ts';

/** An admin request has no body worth more. */
const BODY_LIMIT_BYTES = 64 * 1024;
/** Time for a request head and body; the callers are an operator and a scraper. */
const REQUEST_TIMEOUT_MS = 10_000;

/** The server with all routes, not listening yet. */
export async function createAdminServer(state: NodeState): Promise<FastifyInstance> {
  const server = fastify({ bodyLimit: BODY_LIMIT_BYTES, requestTimeout: REQUEST_TIMEOUT_MS, forceCloseConnections: true });
  await server.register(swagger, {
    openapi: {
      info: { title: 'OpenLake node', description: 'Admin API of a storage node', version: state.version },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    },
  });
  server.setErrorHandler((error: Error & { readonly statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500;
    return reply.code(status).send({ error: error.message });
  });
  server.setNotFoundHandler((request, reply) =>
    reply.code(404).send({ error: `There is no ${request.method} ${request.url.split('?')[0]}` }),
  );
  const typed = server.withTypeProvider<TypeBoxTypeProvider>();
  addHealthRoutes(typed, state);
  await server.register(
    async (scope) => {
      scope.addHook('onRequest', async (request, reply) => {
        if (isAllowed(request.headers.authorization, state.config().secrets.admin_token)) return;
        reply.header('www-authenticate', 'Bearer');
        await reply.code(401).send({ error: 'Expected "Authorization: Bearer" with the admin token' });
      });
      addViewRoutes(scope.withTypeProvider<TypeBoxTypeProvider>(), state);
      scope.get('/openapi.json', { schema: { hide: true } }, () => server.swagger());
    },
    { prefix: '/v1' },
  );
  return server;
}

/** Compares in constant time; lengths are no secret. */
function isAllowed(header: string | undefined, token: string): boolean {
  const given = Buffer.from(/^Bearer (.+)$/i.exec(header ?? '')?.[1] ?? '');
  const expected = Buffer.from(token);
  return given.length === expected.length && timingSafeEqual(given, expected);
}
