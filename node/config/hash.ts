/**
 * The hash of a configuration: how the operator knows which one a node runs with.
 *
 * The rendered text is canonical (render.ts), so its hash is that of the content; secrets stay hidden behind it.
 */
import { createHash } from 'node:crypto';
import { renderNodeConfig } from './render.ts';
import type { NodeConfig } from './schema.ts';

/** SHA-256 in hex of the configuration's canonical text. */
export function configHash(config: NodeConfig): string {
  return createHash('sha256').update(renderNodeConfig(config)).digest('hex');
}
