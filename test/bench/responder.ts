/** The floor of HTTP: a process that answers as many bytes as its argument says from memory. Prints its address, serves until its input closes. */
import { startResponder } from '../../node/engine/bench.ts';

console.log(startResponder('127.0.0.1:0', Number(process.argv[2] ?? '4096')));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
