/**
 * docs/reference/on-disk-format.md is made of the drawings above the codecs, so that page and code cannot part.
 * `npm run generate` writes it; a test compares.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSource, root } from './sources.ts';

const PAGE = 'docs/reference/on-disk-format.md';

/** Codecs in reading order. */
const codecs: readonly (readonly [string, string])[] = [
  ['Superblock', 'superblock'],
  ['Roots', 'root'],
  ['Batch', 'batch'],
  ['First record of a segment', 'segment_open'],
  ['Record', 'record'],
  ['Mark', 'mark_record'],
  ['Segment given back', 'freed_page'],
  ['Manifest', 'manifest'],
  ["Drive's state", 'state_record'],
  ['Run of the index', '../index/run_footer'],
  ['Block of a run', '../index/block'],
  ['Fences of a run', '../index/fences'],
  ['Filter of a run', '../index/filter'],
  ['Keys of a run', '../index/run_key'],
  ['Row of a run', '../index/row_codec'],
  ['Version in a row', '../index/version_codec'],
];

const introduction = `# On-disk format

A drive is a directory on XFS or ext4 that holds \`superblock.0\`, \`superblock.1\`, \`roots\`, a lock and containers \`data.NNNN\`. Containers
are cut into segments of equal size; a segment is free, part of the log, or holds bulk. The log is the truth: at start everything else is
rebuilt from it. All numbers are little-endian unless said otherwise. Format version 1; it may still change until the first release.

This page is generated from the comments above the codecs in \`native/drive/src/format/\` and \`index/\` (\`npm run generate\`).
`;

/** The page as it should be. */
export function formatPage(): string {
  const sections = codecs.map(([title, file]) => {
    const lines = readSource(`native/drive/src/format/${file}.rs`).split('\n');
    const end = lines.findIndex((line) => !line.startsWith('//!'));
    const text = lines.slice(0, end).map((line) => line.replace(/^\/\/! ?/, ''));
    return `## ${title}\n\n${text.join('\n')}\n`;
  });
  return [introduction, ...sections].join('\n');
}

if (import.meta.main) writeFileSync(join(root, PAGE), formatPage());
