/**
 * A virtual machine (emulated as a whole, so that it runs anywhere) with an NVMe drive that runs one program and then loses its power. It boots a kernel with an initial
 * file system of a few megabytes: busybox, the drive's modules, the program with its libraries.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { run } from './torture.ts';

const cache = process.env['OPENLAKE_TEST_CACHE'] ?? path.join(homedir(), '.cache', 'openlake-test');
/** Where the provisioning puts the kernel. */
const kernelFolder = path.join(cache, 'kernel');

/** An emulated machine on a busy host takes its time. */
const START_TIMEOUT_MS = 180_000;

/** Runs with the words of the kernel's command line behind `--`; its lines go to the second serial port. */
const INIT = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox modprobe nvme
while [ ! -b /dev/nvme0n1 ]; do /bin/busybox sleep 0.05; done
/bin/busybox stty -F /dev/ttyS1 raw -echo
TORTURE_KEYS=300 /program write /dev/nvme0n1 "$1" > /dev/ttyS1
echo "the program ended with $?"
/bin/busybox poweroff -f
`;

/** Makes the initial file system with `program` in it; returns its path in `folder`. */
export function initialFileSystem(program: string, folder: string): string {
  const root = mkdtempSync(path.join(folder, 'initial-'));
  for (const name of ['bin', 'lib64', 'lib']) mkdirSync(path.join(root, name));
  copyFileSync('/bin/busybox', path.join(root, 'bin/busybox'));
  copyFileSync(program, path.join(root, 'program'));
  for (const [library] of run('ldd', program).matchAll(/\/\S+/g)) {
    const target = path.join(root, library);
    mkdirSync(path.dirname(target), { recursive: true });
    copyFileSync(library, target);
    chmodSync(target, 0o755);
  }
  cpSync(path.join(kernelFolder, 'modules'), root, { recursive: true });
  writeFileSync(path.join(root, 'init'), INIT, { mode: 0o755 });
  const archive = path.join(folder, 'initial.cpio.gz');
  run('sh', '-c', `cd '${root}' && find . | cpio --quiet -o -H newc | gzip -1 > '${archive}'`);
  rmSync(root, { recursive: true });
  return archive;
}

/** A running machine. */
export type Machine = {
  /** Resolves when the program has opened its drive and begun. */
  readonly loaded: Promise<void>;
  /** Takes the power away; resolves when the machine is gone. */
  cutPower(): Promise<void>;
};

/** Boots a machine whose NVMe drive is the file `image`; the program's lines are appended to the file `lines`. */
export function boot(options: { readonly initial: string; readonly image: string; readonly lines: string; readonly run: number }): Machine {
  const devices = [
    `-drive file=${options.image},if=none,id=disk,format=raw,cache=none -device nvme,drive=disk,serial=torture`,
    '-chardev stdio,id=console -serial chardev:console',
    `-chardev file,id=lines,path=${options.lines},append=on -serial chardev:lines`,
  ];
  const words = [
    ...'-accel tcg -m 512 -smp 2 -display none -no-reboot -nodefaults'.split(' '),
    ...devices.flatMap((device) => device.split(' ')),
    '-kernel',
    path.join(kernelFolder, 'vmlinuz'),
    '-initrd',
    options.initial,
    '-append',
    `console=ttyS0 quiet panic=-1 -- ${options.run}`,
  ];
  const child = spawn('qemu-system-x86_64', words, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    loaded: waitForStart(child, { lines: options.lines, run: options.run, said: () => said }),
    async cutPower() {
      child.kill('SIGKILL');
      await gone;
    },
  };
}

async function waitForStart(child: ChildProcess, options: { readonly lines: string; readonly run: number; said(): string }): Promise<void> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    if (performance.now() > deadlineMs) throw new Error(`the program did not begin: ${options.said()}`);
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the machine ended early: ${options.said()}`);
    if (existsSync(options.lines) && readFileSync(options.lines, 'utf8').includes(`O ${options.run}\n`)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
