/**
 * `openlake bench`: the quick smoke test and the load generator. Requests are made by native threads; this file only says what to do
 * and shows what came of it.
 */
import { lookup } from 'node:dns/promises';
import { type BenchReport, runBench } from '../engine/bench.ts';
import { benchDrive } from './bench-drive.ts';
import { BENCH_HELP, type BenchRequest, parseBenchArguments } from './bench-options.ts';
import { formatBenchReport, formatBytes, measuredRate } from './bench-report.ts';

/** Numeric address and Host header of an endpoint. */
async function resolveEndpoint(url: URL): Promise<{ readonly address: string; readonly host: string }> {
  const port = url.port === '' ? '80' : url.port;
  const { address, family } = await lookup(url.hostname.replace(/^\[|\]$/g, ''));
  return { address: family === 6 ? `[${address}]:${port}` : `${address}:${port}`, host: url.host };
}

async function measure(request: BenchRequest, keys: { readonly access: string; readonly secret: string }): Promise<BenchReport> {
  const showProgress = process.stderr.isTTY && !request.json;
  let last = { operations: 0, bytes: 0 };
  const report = await runBench(
    {
      endpoints: await Promise.all(request.endpoints.map(resolveEndpoint)),
      accessKey: keys.access,
      secretKey: keys.secret,
      region: request.region,
      bucket: request.bucket,
      prefix: request.prefix,
      mix: request.operation,
      sizeBytes: request.sizeBytes,
      objects: request.objects,
      concurrency: request.concurrency,
      threads: request.threads,
      ...(request.durationMs === undefined ? {} : { durationMs: request.durationMs }),
      ...(request.count === undefined ? {} : { count: request.count }),
      prepared: request.prepared,
      verify: request.verify,
      seed: request.seed,
      retries: request.retries,
      cleanup: request.cleanup,
    },
    (progress) => {
      if (!showProgress) return;
      const rate = `${progress.operations - last.operations}/s, ${formatBytes(progress.bytes - last.bytes)}/s`;
      process.stderr.write(`\r\x1b[K${progress.operations} operations, ${rate}, ${progress.errors} errors`);
      last = progress;
    },
  );
  if (showProgress) process.stderr.write('\r\x1b[K');
  return report;
}

async function main(): Promise<number> {
  const words = process.argv.slice(2);
  if (words[0] === 'drive') return await benchDrive(words.slice(1));
  if (words.length === 0 || words.includes('--help') || words.includes('-h')) {
    console.log(BENCH_HELP);
    return words.length === 0 ? 2 : 0;
  }
  const access = process.env['AWS_ACCESS_KEY_ID'];
  const secret = process.env['AWS_SECRET_ACCESS_KEY'];
  let request: BenchRequest;
  try {
    request = parseBenchArguments(words, { environment: process.env, randomSeed: Math.floor(Math.random() * 2 ** 32) });
    if (access === undefined || secret === undefined) {
      throw new Error("no keys: expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (try '. .openlake/env')");
    }
  } catch (error) {
    console.error(`openlake bench: ${error instanceof Error ? error.message : String(error)}\nTry 'openlake bench --help'.`);
    return 2;
  }
  const report = await measure(request, { access, secret });
  const errors = report.operations.reduce((sum, figures) => sum + figures.errors, 0);
  if (request.json) {
    const operations = report.operations.map((figures) => ({ ...figures, perSecond: measuredRate(report, figures) }));
    console.log(JSON.stringify({ seed: request.seed, ...report, operations, errors }));
  } else {
    console.log(formatBenchReport(report));
    const checked = request.verify ? `${report.violations} wrong answers` : 'bodies not checked (--verify does)';
    console.log(`${(report.elapsedMs / 1000).toFixed(2)} s, ${errors} errors, ${checked}, seed ${request.seed}`);
  }
  return errors === 0 && report.violations === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`openlake bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
