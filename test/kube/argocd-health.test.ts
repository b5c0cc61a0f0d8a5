/** The health script for Argo CD, run by a real Lua on statuses as the operator writes them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';

const folder = join(import.meta.dirname, '../../helm/examples/argocd');
const script = readFileSync(join(folder, 'health.lua'), 'utf8');

type Value = string | number | boolean | readonly Value[] | { readonly [key: string]: Value };

/** A value as a Lua literal. */
function lua(value: Value): string {
  if (typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `{${(value as readonly Value[]).map(lua).join(',')}}`;
  return `{${Object.entries(value)
    .map(([key, one]) => `[${JSON.stringify(key)}]=${lua(one as Value)}`)
    .join(',')}}`;
}

/** What the script says of a resource of generation 2. */
function health(options: {
  readonly conditions?: Readonly<Record<string, 'True' | 'False'>>;
  readonly observed?: number;
  readonly paused?: boolean;
}): string {
  const conditions = Object.entries(options.conditions ?? {}).map(([type, status]) => ({ type, status, message: `${type} is ${status}` }));
  const object: Value = {
    metadata: { generation: 2 },
    spec: { paused: options.paused ?? false },
    ...(options.conditions === undefined ? {} : { status: { observedGeneration: options.observed ?? 2, conditions } }),
  };
  const program = `obj = ${lua(object)}\nlocal answer = (function()\n${script}\nend)()\nprint(answer.status .. ": " .. answer.message)`;
  const done = spawnSync('lua5.3', ['-'], { input: program, encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr ?? String(done.error));
  return done.stdout.trim();
}

test('Argo CD sees what kstatus sees', () => {
  assert.match(health({}), /^Progressing: Waiting/);
  assert.match(health({ conditions: { Ready: 'True' }, observed: 1 }), /^Progressing: Waiting/);
  assert.match(health({ conditions: { Ready: 'True' } }), /^Healthy: Ready is True/);
  assert.match(health({ conditions: { Ready: 'True', Reconciling: 'False', Stalled: 'False', Degraded: 'False' } }), /^Healthy/);
  assert.match(health({ conditions: { Ready: 'True', Reconciling: 'True' } }), /^Progressing: Reconciling/);
  assert.match(health({ conditions: { Ready: 'True', Degraded: 'True' } }), /^Degraded: Degraded/);
  assert.match(health({ conditions: { Ready: 'False', Reconciling: 'True', Stalled: 'True' } }), /^Degraded: Stalled/);
  assert.match(health({ conditions: { Ready: 'False' } }), /^Progressing: Ready is False/);
  assert.match(health({ conditions: { Ready: 'True' }, paused: true }), /^Suspended/);
});

test('the ConfigMap patch carries the very script', () => {
  const patch = parse(readFileSync(join(folder, 'health-customization.yaml'), 'utf8')) as { readonly data: Record<string, string> };
  assert.equal(patch.data['resource.customizations.health.openlake.dev_OpenLakeCluster'], script);
});
