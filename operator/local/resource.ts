/** Reads an OpenLakeCluster from a YAML file: checked, defaults filled in, or every problem named. */
import { readFileSync } from 'node:fs';
import { parse, YAMLParseError } from 'yaml';
import { describeProblem } from '../../node/config/check.ts';
import type { OpenLakeCluster } from '../api/cluster.ts';
import { validateCluster } from '../api/validate.ts';
import { LocalError } from './local-error.ts';

/** The document in a YAML file. Throws LocalError when it cannot be read or is not YAML. */
export function readDocument(file: string): unknown {
  try {
    return parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof YAMLParseError) throw new LocalError(`Cannot use ${file}: expected YAML with one document (${error.message})`);
    throw new LocalError(`Cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The resource in a document; `previous` is the one that its directory was made for. Throws LocalError with all problems. */
export function readResource(source: { readonly file: string; readonly document: unknown }, previous?: OpenLakeCluster): OpenLakeCluster {
  const result = validateCluster(source.document, previous);
  if (result.kind === 'ok') return result.cluster;
  const count = result.problems.length;
  const lines = result.problems.map((problem) => `  ${describeProblem(problem)}`);
  throw new LocalError(`Cannot use ${source.file}: ${count} ${count === 1 ? 'problem' : 'problems'}\n${lines.join('\n')}`);
}
