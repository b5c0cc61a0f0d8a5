/**
 * What the admin API shows and may ask for, as main.ts provides it.
 */
import type { NodeConfig } from '../config/schema.ts';
import type { EngineStatus } from '../engine/addon.ts';
import type { Sample } from '../metrics/definitions.ts';

/** Where the node is on its way; `reason` says what it waits for or why it does not serve. */
export type Readiness = { readonly ready: boolean; readonly reason: string };

export type NodeState = {
  readonly version: string;
  /** The configuration that was applied last. */
  config(): NodeConfig;
  configState(): { readonly hash: string; readonly restartKeys: readonly string[]; readonly refusal: string };
  readiness(): Readiness;
  /** True once the cluster record was written or seen. */
  isBootstrapped(): boolean;
  uptimeSeconds(): number;
  status(): Promise<EngineStatus>;
  /** What the control plane counts itself. */
  samples(): readonly Sample[];
  /** Begins the orderly end of the process. */
  drain(): void;
};
