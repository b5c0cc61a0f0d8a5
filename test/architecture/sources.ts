/** The repository's source files and what they import, for the architecture tests. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

export const root: string = join(import.meta.dirname, '..', '..');

/** Tracked and new files whose path matches, relative to the root, sorted. */
export function sourceFiles(pattern: RegExp): readonly string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--deduplicate'], {
    cwd: root,
    encoding: 'utf8',
  });
  return listed
    .split('\n')
    .filter((path) => pattern.test(path))
    .toSorted();
}

/** A file's text. */
export function readSource(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** Paths (relative to the root) that a TypeScript file imports from this repository, type-only and dynamic imports included. */
export function repositoryImports(path: string): readonly string[] {
  const text = readSource(path);
  const found = [...text.matchAll(/(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g)].map((match) => match[1] as string);
  return found.map((specifier) => posix.join(posix.dirname(path), specifier));
}

/** For each name of the import table of one tree: every name it may import. */
export function importTable(tree: 'node' | 'operator' | 'native'): ReadonlyMap<string, ReadonlySet<string>> {
  const lines = readSource('ARCHITECTURE.md')
    .split('\n')
    .filter((line) => line.startsWith(`    ${tree}: `));
  const below = new Map<string, Set<string>>();
  for (const line of lines) {
    const layers = line
      .slice(line.indexOf(':') + 1)
      .split('<-')
      .map((layer) => layer.split(',').map((name) => name.trim()));
    layers.forEach((layer, index) => {
      for (const name of layer) {
        const allowed = below.get(name) ?? new Set<string>();
        for (const lower of index === 0 ? [] : (layers[index - 1] ?? [])) allowed.add(lower);
        below.set(name, allowed);
      }
    });
  }
  for (let changed = true; changed; ) {
    changed = false;
    for (const allowed of below.values()) {
      for (const name of Array.from(allowed)) {
        for (const further of below.get(name) ?? []) {
          if (!allowed.has(further)) changed = true;
          allowed.add(further);
        }
      }
    }
  }
  return below;
}
