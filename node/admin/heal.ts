/**
 * What this node's drives lack and how far their healing is, from the engine's counters.
 *
 * A node heals its own drives, so it knows all of it. How long it still takes follows from the pace since the pass was first seen; that
 * is all that is remembered between two answers.
 */
import type { DriveStatus, EngineStatus } from '../engine/addon.ts';
import type { DriveHealView, HealState, HealView } from './schemas.ts';

const STATES: Readonly<Record<string, HealState | undefined>> = { whole: 'Whole', blank: 'Blank', dirty: 'Dirty', healing: 'Healing' };

/** The state of a drive, as the API names it. One that nobody looked at since the start may lack anything. */
export function healState(drive: Pick<DriveStatus, 'healState'>): HealState {
  return STATES[drive.healState] ?? 'Healing';
}

/** Keys of which this node remembers that slots elsewhere missed them. */
export function hintsHeld(status: Pick<EngineStatus, 'drives'>): number {
  return status.drives.reduce((sum, drive) => sum + counterOf(drive, 'hints_held'), 0);
}

/** When the pass of each drive was first seen, and what was healed by then. */
export class HealPaces {
  readonly #begun = new Map<number, { readonly atSeconds: number; readonly objects: number }>();

  /** Seconds that `left` objects take at the pace so far; null while there is none, or nothing is left. `now`: what was healed by when. */
  secondsLeft(drive: number, now: { readonly atSeconds: number; readonly objects: number; readonly left: number }): number | null {
    if (now.left === 0) {
      this.#begun.delete(drive);
      return null;
    }
    const begun = this.#begun.get(drive);
    if (begun === undefined || now.objects < begun.objects) {
      this.#begun.set(drive, { atSeconds: now.atSeconds, objects: now.objects });
      return null;
    }
    const healed = now.objects - begun.objects;
    return healed === 0 ? null : (now.left * (now.atSeconds - begun.atSeconds)) / healed;
  }
}

/** The whole answer. */
export function viewHeal(
  status: Pick<EngineStatus, 'drives'>,
  seen: { readonly uptimeSeconds: number; readonly paces: HealPaces },
): HealView {
  const drives = status.drives.map((drive): DriveHealView => {
    const counter = (name: string): number => counterOf(drive, name);
    const [objects, left] = [counter('heal_objects_total'), counter('heal_objects_left')];
    return {
      index: drive.index,
      setId: drive.set,
      slot: drive.slot,
      state: healState(drive),
      reason: drive.healReason,
      objectsTotal: objects,
      bytesTotal: counter('heal_bytes_total'),
      failedTotal: counter('heal_failed_total'),
      objectsLeft: left,
      bytesLeft: counter('heal_bytes_left'),
      secondsLeft: seen.paces.secondsLeft(drive.index, { atSeconds: seen.uptimeSeconds, objects, left }),
      hintsWaiting: counter('heal_hints_waiting'),
      damagedWaiting: counter('heal_damaged_waiting'),
      leastShards: counter('heal_shards_least') || null,
      allShards: counter('heal_shards_all'),
      scrub: {
        objects: counter('scrub_objects_total'),
        bytes: counter('scrub_bytes_total'),
        damaged: counter('scrub_damaged_total'),
        differences: counter('scrub_differences_total'),
        passes: counter('scrub_passes_total'),
      },
    };
  });
  return { whole: drives.every((drive) => drive.state === 'Whole'), drives, hintsHeld: hintsHeld(status) };
}

function counterOf(drive: Pick<DriveStatus, 'counters'>, name: string): number {
  return drive.counters.find((candidate) => candidate.name === name)?.value ?? 0;
}
