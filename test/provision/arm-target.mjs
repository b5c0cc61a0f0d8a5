/**
 * Gets Rust's standard library for ARM, with which the kernels are compiled and then emulated. Does nothing when it is there.
 * Plain JavaScript, because the machine's own Node may be as old as 20.
 */
import { spawnSync } from 'node:child_process';

const TARGET = 'aarch64-unknown-linux-musl';

const installed = spawnSync('rustup', ['target', 'list', '--installed'], { encoding: 'utf8' });
if (installed.status !== 0) {
  console.error(`openlake: the stage \`arm\` needs rustup, which gets Rust's standard library for ${TARGET}`);
  process.exit(1);
}
if (!installed.stdout.split('\n').includes(TARGET)) {
  console.log(`provision: getting Rust's standard library for ${TARGET}: it compiles the kernels of ARM processors`);
  const added = spawnSync('rustup', ['target', 'add', TARGET], { stdio: 'inherit' });
  process.exit(added.status ?? 1);
}
