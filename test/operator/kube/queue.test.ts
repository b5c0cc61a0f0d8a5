/** The work queue: every key at most once at a time, nothing lost, failures wait. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { createQueue, type WorkResult } from '../../../operator/kube/queue.ts';
import { eventually } from '../fake-kube/eventually.ts';

test('keys that are added while they wait are worked on once', async () => {
  const worked: string[] = [];
  const gate = Promise.withResolvers<void>();
  const queue = createQueue({
    workers: 1,
    work: async (key) => {
      worked.push(key);
      await gate.promise;
      return { kind: 'done' };
    },
  });
  for (const key of ['a', 'b', 'b', 'c', 'b']) queue.add(key);
  assert.equal(queue.depth(), 2);
  gate.resolve();
  await eventually(() => worked.length === 3);
  await queue.stop();
  assert.deepEqual(worked, ['a', 'b', 'c']);
});

test('a key that is added while it is worked on runs once more afterwards', async () => {
  let runs = 0;
  const gate = Promise.withResolvers<void>();
  const queue = createQueue({
    workers: 4,
    work: async () => {
      runs += 1;
      if (runs === 1) await gate.promise;
      return { kind: 'done' };
    },
  });
  queue.add('a');
  queue.add('a');
  queue.add('a');
  await sleep(20);
  assert.equal(runs, 1);
  gate.resolve();
  await eventually(() => runs === 2);
  await sleep(20);
  assert.equal(runs, 2);
  await queue.stop();
});

test('failures wait longer each time, also when news come; success forgets them', async () => {
  const times: number[] = [];
  const queue = createQueue({
    workers: 1,
    firstRetryMs: 20,
    work: async (): Promise<WorkResult> => {
      times.push(performance.now());
      return times.length < 5 ? { kind: 'failed' } : { kind: 'done' };
    },
  });
  queue.add('a');
  await eventually(() => times.length === 5);
  const waits = times.slice(1).map((at, index) => at - (times[index] ?? 0));
  // Jitter is between half and all of 20, 40, 80, 160 ms.
  waits.forEach((wait, index) => assert.ok(wait >= 10 * 2 ** index - 1, `wait ${index} was ${wait} ms`));
  await queue.stop();
});

test('an earlier time wins over a later one, and adding now over both', async () => {
  const worked: number[] = [];
  const queue = createQueue({
    workers: 1,
    work: async () => {
      worked.push(performance.now());
      return { kind: 'done' };
    },
  });
  const startedMs = performance.now();
  queue.addAfter('a', 60_000);
  queue.addAfter('a', 30);
  await eventually(() => worked.length === 1);
  assert.ok((worked[0] ?? 0) - startedMs < 10_000);
  queue.addAfter('a', 60_000);
  queue.add('a');
  await eventually(() => worked.length === 2);
  await queue.stop();
});

test('whatever is added in whatever order, no key runs twice at once and the last addition is always seen', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 0, max: 3 })), { maxLength: 40 }),
      async (additions) => {
        const running = new Set<string>();
        const wanted = new Map<string, number>();
        const seen = new Map<string, number>();
        const queue = createQueue({
          workers: 2,
          firstRetryMs: 1,
          work: async (key) => {
            assert.ok(!running.has(key));
            running.add(key);
            const version = wanted.get(key) ?? 0;
            await new Promise((resolve) => setImmediate(resolve));
            running.delete(key);
            seen.set(key, version);
            return { kind: 'done' };
          },
        });
        for (const [index, [key, pause]] of additions.entries()) {
          wanted.set(key, index);
          queue.add(key);
          for (let turn = 0; turn < pause; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        }
        await eventually(() => [...wanted].every(([key, version]) => seen.get(key) === version));
        await queue.stop();
      },
    ),
    { numRuns: 30 },
  );
});

test('after stop nothing runs', async () => {
  let runs = 0;
  const queue = createQueue({ workers: 1, work: async () => ({ kind: 'done', requeueAfterMs: (runs += 1) }) });
  queue.add('a');
  await eventually(() => runs > 1);
  await queue.stop();
  const before = runs;
  queue.add('a');
  await sleep(30);
  assert.equal(runs, before);
});
