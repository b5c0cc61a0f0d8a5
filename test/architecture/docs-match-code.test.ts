/** Reference pages say what the code says, both ways. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metricDefinitions } from '../../node/metrics/definitions.ts';
import { s3ErrorTable } from '../../node/s3/errors.ts';
import { formatPage } from './format-page.ts';
import { readSource, sourceFiles } from './sources.ts';
import { drawingOf, drawnFiles, numberedMessages, wirePage } from './wire-page.ts';

/** First cells of a page's table rows, without code marks. */
function firstCells(page: string): readonly string[] {
  return readSource(page)
    .split('\n')
    .filter((line) => /^\| [^-]/.test(line))
    .map((line) => (line.split('|')[1] ?? '').trim().replaceAll('`', ''))
    .slice(1);
}

test('docs/reference/metrics.md lists exactly the metrics that nodes export', () => {
  const names = Object.values(metricDefinitions).map((metric) => metric.name);
  assert.deepEqual(firstCells('docs/reference/metrics.md').toSorted(), names.toSorted());
});

test('docs/reference/errors.md lists exactly the error codes with their statuses', () => {
  const rows = readSource('docs/reference/errors.md').matchAll(/^\| `([A-Za-z0-9]+)` \| (\d+) \|/gm);
  const listed = [...rows].map(([, code, status]) => `${code} ${status}`);
  const known = Object.entries(s3ErrorTable).map(([code, entry]) => `${code} ${entry.status}`);
  assert.deepEqual(listed.toSorted(), known.toSorted());
});

test('docs/reference/s3-compatibility.md lists exactly the operations that are answered', () => {
  const control = [...readSource('node/s3/routes.ts').matchAll(/operation: '([A-Za-z0-9]+)'/g)].map((match) => match[1] as string);
  const hot = ['GetObject', 'HeadObject', 'PutObject', 'DeleteObject', 'UploadPart'];
  assert.deepEqual(firstCells('docs/reference/s3-compatibility.md').toSorted(), [...new Set([...control, ...hot])].toSorted());
});

test('docs/reference/on-disk-format.md is what the codecs say', () => {
  assert.equal(readSource('docs/reference/on-disk-format.md'), formatPage(), 'run: npm run generate');
});

test('docs/reference/wire-protocol.md shows the drawings above the codecs', () => {
  assert.equal(readSource('docs/reference/wire-protocol.md'), wirePage(), 'run: npm run generate');
  const codecs = sourceFiles(/^native\/peer\/src\/codec\/.*\.rs$/).filter((path) => readSource(path).includes('//! ```text'));
  const missing = codecs.map((path) => path.replace('native/peer/src/', '')).filter((file) => !drawnFiles().includes(file));
  assert.deepEqual(missing, [], 'codecs whose drawing the page does not show');
});

test('every message of the wire protocol stands in the drawing of its codec, with its number', () => {
  for (const [file, least] of [
    ['frame.rs', 11],
    ['codec/request.rs', 9],
    ['codec/answer.rs', 16],
    ['codec/node.rs', 5],
  ] as const) {
    const messages = numberedMessages(file);
    assert.ok(messages.length >= least, `${file}: found only ${messages.map((message) => message.name).join(', ')}`);
    const drawing = drawingOf(file);
    const missing = messages.filter(({ name, number }) => !new RegExp(`(^|[^0-9])${number} ${name}\\b`, 'm').test(drawing));
    assert.deepEqual(missing, [], `native/peer/src/${file}`);
  }
});

test('every test that docs/concepts/consistency.md names exists', () => {
  const tests = sourceFiles(/^native\/.*\.rs$|\.test\.ts$/)
    .map(readSource)
    .join('\n');
  const rows = readSource('docs/concepts/consistency.md').matchAll(/^\|.*\| (`[^|]+`) \|$/gm);
  const named = [...rows].flatMap(([, cell]) => (cell as string).split(/, (?=`)/).map((name) => name.replaceAll('`', '')));
  assert.ok(named.length > 30, 'no promises were found');
  const missing = named.filter((name) => !tests.includes(`fn ${name}(`) && !tests.includes(`test('${name}'`));
  assert.deepEqual(missing, []);
});

test('every relative link in a document leads to a file', () => {
  const documents = sourceFiles(/\.md$/);
  const broken = documents.flatMap((path) => {
    const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/') + 1) : '';
    const links = [...readSource(path).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].map((match) => match[1] as string);
    const known = new Set(sourceFiles(/./));
    const resolve = (link: string): string => new URL(link, `file:///${folder}`).pathname.slice(1);
    return links
      .filter((link) => !known.has(resolve(link)) && ![...known].some((file) => file.startsWith(resolve(link))))
      .map((link) => `${path}: ${link}`);
  });
  assert.deepEqual(broken, []);
});

test('the README stays short', () => {
  const lines = readSource('README.md').split('\n').length;
  assert.ok(lines <= 120, `README.md has ${lines} lines, expected at most 120`);
});

test('every npm script that a document names exists', () => {
  const scripts = Object.keys((JSON.parse(readSource('package.json')) as { scripts: Record<string, string> }).scripts);
  const named = sourceFiles(/\.md$/).flatMap((path) =>
    [...readSource(path).matchAll(/npm run ([a-z]+)/g)].map((match) => match[1] as string),
  );
  assert.deepEqual(
    [...new Set(named)].filter((name) => !scripts.includes(name)),
    [],
  );
});
