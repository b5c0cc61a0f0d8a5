/**
 * The hash of a layout: what makes "epoch 3" mean one thing.
 *
 * A drive stores (epoch, hash) and refuses the same epoch with another hash, so that two operators, or one that was
 * restored from a backup, can never give the same slot to two drives unnoticed.
 */
import { createHash } from 'node:crypto';
import type { ErasureSet } from './layout.ts';

/**
 * SHA-256 in hex of the text
 *
 *     openlake-layout-1 \n epoch \n
 *     set id, pool, data, parity, weight, node/drive ... \n       one line a set, by ascending id
 *
 * with single spaces between fields.
 */
export function layoutHash(layout: { readonly epoch: number; readonly sets: readonly ErasureSet[] }): string {
  const lines = layout.sets
    .toSorted((left, right) => left.id - right.id)
    .map((set) => {
      const slots = set.slots.map((slot) => `${slot.node}/${slot.drive}`);
      return [set.id, set.pool, set.data, set.parity, set.weight, ...slots].join(' ');
    });
  return createHash('sha256')
    .update(['openlake-layout-1', layout.epoch, ...lines, ''].join('\n'))
    .digest('hex');
}
