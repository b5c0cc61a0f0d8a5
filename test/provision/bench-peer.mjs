/**
 * Builds the store that `npm run bench` runs beside ours. Without Go the benchmark still runs, only alone.
 * Plain JavaScript, because the machine's own Node may be as old as 20.
 */
import { buildGoTools, whyNoGo } from './go-tools.mjs';

const reason = whyNoGo(['minio']);
if (reason === undefined) buildGoTools(['minio']);
else console.log(`provision: no MinIO beside ours: it needs ${reason}`);
