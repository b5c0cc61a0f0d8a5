/** The floor of HTTP: a process that answers 4 KiB from memory. Prints its address, serves until its input closes. */
import { startResponder } from '../../node/engine/bench.ts';

console.log(startResponder('127.0.0.1:0', 4096));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
