/** The stages of a test run side by side: who takes turns, what is shown of them, and whose time is whose. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endOf, runSideBySide, type StageResult } from '../side-by-side.ts';
import { type Stage, stages, wantedStages } from '../stages.ts';

/** A stage whose commands are scripts of the shell. */
function stageOf(name: string, lane: Stage['lane'], ...scripts: readonly string[]): Stage {
  return { name, kind: 'test', lane, commands: scripts.map((script) => ['sh', '-c', script]) };
}

async function run(
  these: readonly Stage[],
  waitingAtOnce = 2,
): Promise<{ readonly results: readonly StageResult[]; readonly said: string }> {
  const said: string[] = [];
  const results = await runSideBySide(these, { waitingAtOnce, say: (text) => said.push(text) });
  return { results, said: said.join('\n') };
}

/** The most stages of some names that had begun and not ended at any moment. */
function mostAtOnce(said: string, name: RegExp): number {
  let [now, most] = [0, 0];
  for (const [, stage, what] of said.matchAll(/^=== (\S+?):? (has begun|passed|FAILED)/gm)) {
    if (!name.test(stage as string)) continue;
    now += what === 'has begun' ? 1 : -1;
    most = Math.max(most, now);
  }
  return most;
}

test('what computes takes turns, what waits runs beside it, as many at once as allowed', async () => {
  const waiting = [1, 2, 3, 4].map((number) => stageOf(`waits-${number}`, 'waiting', 'sleep 0.2'));
  const computing = [1, 2, 3].map((number) => stageOf(`computes-${number}`, 'computing', 'sleep 0.2'));
  const { results, said } = await run([...computing, ...waiting]);
  assert.deepEqual(
    results.map(({ stage, passed }) => [stage.name, passed]),
    [...computing, ...waiting].map(({ name }) => [name, true]),
  );
  assert.equal(mostAtOnce(said, /^computes/), 1);
  assert.equal(mostAtOnce(said, /^waits/), 2);
  assert.equal(mostAtOnce(said, /./), 3);
});

test('a stage ends with its first command that fails, and all that it printed is shown, also beside others', async () => {
  const failing = stageOf('failing', 'waiting', 'echo first', 'echo why >&2; exit 3', 'echo never');
  const { results, said } = await run([failing, stageOf('other', 'computing', 'echo fine')]);
  assert.deepEqual(
    results.map(({ passed }) => passed),
    [false, true],
  );
  assert.match(said, /^first\nwhy\n--- failed: sh -c echo why .*\n=== failing: FAILED in /m);
  assert.doesNotMatch(said, /never/);
  assert.match(endOf(results[0] as StageResult), /failing, the end of what it printed\nfirst\nwhy\n/);
});

test('a command that does not exist, and one that a signal ends, have failed', async () => {
  const missing: Stage = { name: 'missing', kind: 'test', lane: 'computing', commands: [['openlake-no-such-program']] };
  const { results, said } = await run([missing, stageOf('killed', 'waiting', 'kill -9 $$')]);
  assert.deepEqual(
    results.map(({ passed }) => passed),
    [false, false],
  );
  assert.match(said, /openlake-no-such-program/);
});

test('a server that a stage leaves behind holds up nobody', async () => {
  const { results } = await run([stageOf('leaving', 'waiting', 'sleep 60 & echo $!'), stageOf('other', 'waiting', 'true')]);
  const server = Number.parseInt(results[0]?.output ?? '', 10);
  assert.ok(process.kill(server, 'SIGKILL'), 'the stages ended before the server');
  assert.ok(results.every(({ passed }) => passed));
});

test('each stage is charged for its own processor time', async () => {
  const busy = stageOf('busy', 'computing', 'number=0; while [ $number -lt 200000 ]; do number=$((number + 1)); done');
  const { results } = await run([busy, stageOf('idle', 'waiting', 'sleep 0.1')]);
  const [busyS = 0, idleS = 0] = results.map(({ processorS }) => processorS);
  assert.ok(busyS > 2 * idleS, `${busyS} s and ${idleS} s`);
});

test('words choose stages: all, a kind, or by name', () => {
  assert.deepEqual(wantedStages([]), stages);
  assert.deepEqual(
    wantedStages(['check', 'rust']).map(({ name }) => name),
    ['types', 'lint', 'format', 'dead code', 'architecture', 'rust'],
  );
  assert.ok(wantedStages(['core']).every(({ kind }) => kind !== 'root'));
  assert.deepEqual(wantedStages(['nothing']), []);
});
