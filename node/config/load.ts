/**
 * Reads the node's TOML: strict, and all errors at once.
 *
 * Somebody who fixes a file wants the whole list, not the first entry of it. So every step that can run on what is there
 * does run, and each problem names the field, the value seen and what was expected.
 */
import { parse, TomlError } from 'smol-toml';
import { check, describeProblem, joinEndpoint, type Problem } from './check.ts';
import { DEFAULT_ADMIN_PORT, DEFAULT_PEER_PORT, DEFAULT_S3_PORT } from './defaults.ts';
import { readConfigText } from './file.ts';
import { checkRules } from './rules.ts';
import { type NodeConfig, NodeConfigSchema } from './schema.ts';

export type ParseResult =
  | { readonly kind: 'ok'; readonly config: NodeConfig }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] };

/** Thrown by loadNodeConfig; the message has one line a problem. */
export class ConfigError extends Error {
  readonly problems: readonly Problem[];

  constructor(source: string, problems: readonly Problem[]) {
    const lines = problems.map((problem) => `  ${describeProblem(problem)}`);
    super(`Cannot use ${source}: ${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}\n${lines.join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Parses TOML text into a complete configuration, defaults filled in, or returns every problem. */
export function parseNodeConfig(text: string): ParseResult {
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.replace(/\n[\s\S]*$/, '').replace(/^Invalid TOML document: /, '');
    const value = text.split('\n')[error.line - 1]?.trim().replace(/=.*/, '= ...');
    return { kind: 'invalid', problems: [{ path: `line ${error.line}, column ${error.column}`, value, expected: `TOML (${reason})` }] };
  }
  const { value, problems } = check(NodeConfigSchema, withListenDefaults(document));
  if (problems.length > 0) return { kind: 'invalid', problems };
  const config = value as NodeConfig;
  const broken = checkRules(config);
  return broken.length > 0 ? { kind: 'invalid', problems: broken } : { kind: 'ok', config };
}

/** Reads and parses a file with what it includes. Throws ConfigError with all problems, or when the file cannot be read. */
export function loadNodeConfig(file: string): NodeConfig {
  let text: string;
  try {
    text = readConfigText(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(file, [{ path: '--config', value: file, expected: `a readable file (${reason})` }]);
  }
  const result = parseNodeConfig(text);
  if (result.kind === 'invalid') throw new ConfigError(file, result.problems);
  return result.config;
}

/** `[listen]` defaults depend on node.address, which a schema cannot say. */
function withListenDefaults(document: unknown): unknown {
  if (!isTable(document) || !isTable(document['node'])) return document;
  const address = document['node']['address'];
  const listen = document['listen'] ?? {};
  if (typeof address !== 'string' || !isTable(listen)) return document;
  const defaults = {
    s3: joinEndpoint(address, DEFAULT_S3_PORT),
    peer: joinEndpoint(address, DEFAULT_PEER_PORT),
    admin: joinEndpoint(address, DEFAULT_ADMIN_PORT),
  };
  return { ...document, listen: { ...defaults, ...listen } };
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
