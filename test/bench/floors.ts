/**
 * What the machine itself takes, measured in the same run: a server on the same engine that answers from memory, MD5 and SHA-256 of a
 * body, and random reads of the disk.
 */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Load } from './loads.ts';
import { type Figures, measure } from './measure.ts';
import { pin } from './processor-time.ts';
import { SERVER_PROCESSOR, type Store } from './stores.ts';

const MIB = 1024 ** 2;
/** About what a listing of 1000 keys of this benchmark weighs. */
const PAGE_BYTES = 320 * 1024;

/** CPU per unit, in microseconds, of the least that a load of each kind needs. */
export type Floors = {
  /** A request whose 4 KiB come from memory. */
  readonly small: Figures;
  /** A request that answers as many bytes as a page of a listing. */
  readonly page: Figures;
  /** A MiB sent from memory. */
  readonly sent: Figures;
  /** MD5 (the ETag) and SHA-256 (the signed payload) of a MiB, in microseconds; no server, one after the other. */
  readonly hashedUs: number;
  /** Random 4 KiB reads a second by fio with io_uring, 64 in flight. */
  readonly diskReads: number;
};

async function responder(bodyBytes: number, load: Pick<Load, 'work' | 'unitsEach'>, seconds: number): Promise<Figures> {
  const words = [join(import.meta.dirname, 'responder.ts'), String(bodyBytes)];
  const child = spawn(process.execPath, words, { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const address = await new Promise<string>((resolve, reject) => {
      child.stdout.once('data', (line: Buffer) => resolve(line.toString().trim()));
      child.once('exit', (code) => reject(new Error(`the responder ended with ${code}`)));
    });
    const pid = child.pid as number;
    pin(pid, SERVER_PROCESSOR);
    const env = { AWS_ACCESS_KEY_ID: 'floor', AWS_SECRET_ACCESS_KEY: 'floor' };
    const store: Store = { name: 'floor', endpoints: [`http://${address}`], env, pids: [pid], [Symbol.asyncDispose]: async () => {} };
    const concurrency = bodyBytes > 4096 ? '4' : '64';
    const options = ['--objects', '64', '--concurrency', concurrency, '--size', String(bodyBytes)];
    return await measure(store, { ...load, operation: 'get', words: options, prepared: false, unit: 'request', floor: 'small' }, seconds);
  } finally {
    child.kill('SIGKILL');
  }
}

function hashing(): number {
  const body = Buffer.alloc(16 * MIB, 7);
  const rounds = [0, 1, 2].map(() => {
    const before = process.cpuUsage();
    for (const name of ['md5', 'sha256']) createHash(name).update(body).digest();
    const used = process.cpuUsage(before);
    return (used.user + used.system) / 16;
  });
  return Math.min(...rounds);
}

function disk(seconds: number): number {
  const folder = mkdtempSync(join(tmpdir(), 'openlake-disk-'));
  try {
    const job = `--name=floor --directory=${folder} --size=256M --rw=randread --bs=4k --ioengine=io_uring --iodepth=64`;
    const words = `${job} --direct=1 --time_based --runtime=${Math.ceil(seconds)} --output-format=json`;
    const output = execFileSync('fio', words.split(' '), { encoding: 'utf8' });
    const result = JSON.parse(output.slice(output.indexOf('{'))) as { jobs: { read: { iops: number } }[] };
    return result.jobs[0]?.read.iops ?? Number.NaN;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Measures all floors, one after the other. */
export async function measureFloors(seconds: number): Promise<Floors> {
  return {
    small: await responder(4096, { work: '4 KiB from memory', unitsEach: 1 }, seconds),
    page: await responder(PAGE_BYTES, { work: 'a page from memory', unitsEach: 1 }, seconds),
    sent: await responder(16 * MIB, { work: '16 MiB from memory', unitsEach: 16 }, seconds),
    hashedUs: hashing(),
    diskReads: disk(seconds),
  };
}

/** The floor of a load, in microseconds of CPU per unit. */
export function floorUs(floors: Floors, load: Load): number {
  return load.floor === 'hashed' ? floors.hashedUs : floors[load.floor].processorUs;
}
