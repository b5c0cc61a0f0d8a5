/** The image of the storage node: a digest wins over the version as tag. */
import type { ClusterSpec } from '../api/cluster.ts';

export function imageOf({ image, version }: ClusterSpec): string {
  return image.digest === undefined ? `${image.repository}:${version}` : `${image.repository}@${image.digest}`;
}
