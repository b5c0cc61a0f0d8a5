/**
 * docs/reference/wire-protocol.md shows the drawings above the codecs of native/peer, so that page and code cannot part.
 * `npm run generate` puts them there; tests compare, and look for every message number of the codecs in its drawing.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSource, root } from './sources.ts';

const PAGE = 'docs/reference/wire-protocol.md';

/** The drawing at the head of a file of native/peer/src. */
export function drawingOf(file: string): string {
  const lines = readSource(`native/peer/src/${file}`).split('\n');
  const begin = lines.indexOf('//! ```text');
  const end = lines.indexOf('//! ```', begin);
  if (begin === -1 || end === -1) throw new Error(`native/peer/src/${file} has no drawing between //! \`\`\`text and //! \`\`\``);
  return lines
    .slice(begin + 1, end)
    .map((line) => line.replace(/^\/\/! ?/, ''))
    .join('\n');
}

/** Files whose drawings the page shows. */
export function drawnFiles(): readonly string[] {
  return [...readSource(PAGE).matchAll(/^```text (\S+)$/gm)].map(([, file]) => file as string);
}

/** The page as it should be: each block that names a file holds its drawing. */
export function wirePage(): string {
  return readSource(PAGE).replaceAll(
    /^```text (\S+)\n[^`]*```$/gm,
    (_block, file: string) => `\`\`\`text ${file}\n${drawingOf(file)}\n\`\`\``,
  );
}

/**
 * Messages that a codec writes with a number: `Type::Name ... writer.u8(N)` in its encoder, or `Name = N` in the enumeration of
 * frames. Names in words, as the drawings have them.
 */
export function numberedMessages(file: string): readonly { readonly name: string; readonly number: string }[] {
  const source = readSource(`native/peer/src/${file}`).split('#[cfg(test)]')[0] as string;
  const arms = source.matchAll(/(?:Request|Answer)::(\w+)[^;]*?=> (?:\{\s*)?writer\.u8\((\d+)\)/g);
  const kinds = source.matchAll(/^ {4}([A-Z]\w+) = (\d+),$/gm);
  return [...arms, ...kinds].map(([, name, number]) => ({
    name: (name as string).replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter}`).toLowerCase(),
    number: number as string,
  }));
}

if (import.meta.main) writeFileSync(join(root, PAGE), wirePage());
