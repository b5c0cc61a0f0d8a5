/**
 * Which set holds a key: weighted rendezvous hashing of (bucket id, key) over all sets.
 *
 * Every set draws a number for the key and the highest wins, so a new set takes over just the keys that it wins, and no
 * other key moves. The data plane computes the same function in Rust; test/fixtures/placement.json keeps both equal.
 *
 *     h        = FNV-1a 64 over (bucket id, 8 bytes little endian) and the key's bytes
 *     final(z) = z ^= z >> 30; z *= 0xBF58476D1CE4E5B9; z ^= z >> 27; z *= 0x94D049BB133111EB; z ^= z >> 31
 *     mix(s)   = final(h XOR final(s.id + 1 + 0x9E3779B97F4A7C15))                  all modulo 2^64
 *
 *     equal weights:    the set with the highest mix
 *     unequal weights:  the set with the highest  -weight / ln(((mix >> 11) + 0.5) / 2^53)
 *     a tie:            the lower set id
 *
 * A set of weight 0 scores 0, less than any other, so it wins only where all have weight 0 and thus count as equal.
 * FNV-1a: Fowler, Noll, Vo; the finalizer is that of SplitMix64 (Steele, Lea, Flood 2014); the weighted score is that of Schindelhauer and Schomaker 2005.
 */

const MASK = (1n << 64n) - 1n;
const FNV_OFFSET = 0xcbf29ce484222325n;
const FNV_PRIME = 0x100000001b3n;
const GAMMA = 0x9e3779b97f4a7c15n;

export type PlacementSet = { readonly id: number; readonly weight: number };

/**
 * The id of the set that holds `key` of the bucket with `bucketId` (an unsigned 64-bit number).
 *
 * Throws RangeError when there is no set, or the bucket id is out of range.
 */
export function placeKey(object: { readonly bucketId: bigint; readonly key: Uint8Array }, sets: readonly PlacementSet[]): number {
  const [first] = sets;
  if (first === undefined) throw new RangeError('Cannot place a key: there is no set');
  const hash = hashKey(object.bucketId, object.key);
  const equal = sets.every((set) => set.weight === first.weight);
  return equal ? highestMix(hash, sets) : highestScore(hash, sets);
}

/** FNV-1a 64 over the bucket id (8 bytes, little endian) and the key. */
export function hashKey(bucketId: bigint, key: Uint8Array): bigint {
  if (bucketId < 0n || bucketId > MASK) throw new RangeError(`Cannot place a key of bucket ${bucketId}: it is not a 64-bit number`);
  let hash = FNV_OFFSET;
  for (let byte = 0n; byte < 8n; byte += 1n) hash = ((hash ^ ((bucketId >> (byte * 8n)) & 0xffn)) * FNV_PRIME) & MASK;
  for (const byte of key) hash = ((hash ^ BigInt(byte)) * FNV_PRIME) & MASK;
  return hash;
}

/** The number that a set draws for a key's hash. */
export function mixForSet(hash: bigint, setId: number): bigint {
  return finalize(hash ^ finalize((BigInt(setId) + 1n + GAMMA) & MASK));
}

function finalize(value: bigint): bigint {
  let z = value;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
  return z ^ (z >> 31n);
}

function highestMix(hash: bigint, sets: readonly PlacementSet[]): number {
  let best: { readonly id: number; readonly mix: bigint } | undefined;
  for (const { id } of sets) {
    const mix = mixForSet(hash, id);
    if (best === undefined || mix > best.mix || (mix === best.mix && id < best.id)) best = { id, mix };
  }
  return best?.id ?? 0;
}

function highestScore(hash: bigint, sets: readonly PlacementSet[]): number {
  let best: { readonly id: number; readonly score: number } | undefined;
  for (const { id, weight } of sets) {
    const unit = (Number(mixForSet(hash, id) >> 11n) + 0.5) / 2 ** 53;
    const score = -weight / Math.log(unit);
    if (best === undefined || score > best.score || (score === best.score && id < best.id)) best = { id, score };
  }
  return best?.id ?? 0;
}
