/** `npm start` as a person runs it: in the foreground, ended by Ctrl-C, started again on the same data. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pythonFolder } from '../provision/python-clients.mjs';
import { runProgram } from './cluster.ts';

const root = join(import.meta.dirname, '..', '..');

/** Starts it in a process group of its own, as a terminal does; resolves with its output once it says how to try it. */
async function start(dataFolder: string): Promise<{ readonly output: string; readonly interrupt: () => Promise<number | null> }> {
  const child = spawn('npm', ['start', '--', '--data', dataFolder], { cwd: root, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
      if (/aws s3 ls/.test(output)) resolve();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    void ended.then((code) => reject(new Error(`npm start ended with ${code}:\n${output}`)));
  });
  return {
    output,
    interrupt: () => {
      process.kill(-(child.pid as number), 'SIGINT');
      return ended;
    },
  };
}

test('npm start shows endpoint, keys and three lines to try; Ctrl-C stops all; the next start finds the data', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'openlake-start-'));
  const data = join(folder, 'data');
  try {
    const first = await start(data);
    assert.match(first.output, /http:\/\/127\.0\.0\.\d+:9000/);
    assert.equal(first.output.match(/^\s+aws s3 .*$/gm)?.length, 3, first.output);
    assert.equal(statSync(join(data, 'env')).mode & 0o777, 0o600);
    const shell = (script: string): ReturnType<typeof runProgram> =>
      runProgram('sh', {
        args: ['-ec', `. ${data}/env; PATH=${pythonFolder}/bin:$PATH; ${script}`],
        env: { AWS_EC2_METADATA_DISABLED: 'true' },
      });
    const stored = await shell('aws s3 mb s3://first && aws s3 cp README.md s3://first/');
    assert.equal(stored.code, 0, stored.stderr);
    await first.interrupt();
    const pids = await runProgram('pgrep', { args: ['-f', data] });
    assert.equal(pids.stdout.trim(), '', `left running: ${pids.stdout}`);

    const second = await start(data);
    const read = await shell('aws s3 cp s3://first/README.md - | cmp - README.md');
    assert.equal(read.code, 0, read.stderr);
    await second.interrupt();
  } finally {
    await runProgram(process.execPath, { args: [join(root, 'operator/cli/main.ts'), 'down', '--data', data] });
    rmSync(folder, { recursive: true, force: true });
  }
});
