/**
 * The rules for names of new buckets, after the S3 user guide, "General purpose bucket naming rules". Pure.
 */

const PREFIXES = ['xn--', 'sthree-', 'amzn-s3-demo-'];
const SUFFIXES = ['-s3alias', '--ol-s3', '.mrap', '--x-s3', '--table-s3'];

/** What is wrong with a name; undefined for a good one. */
export function bucketNameProblem(name: string): string | undefined {
  if (name.length < 3 || name.length > 63) return `it has ${name.length} characters, expected 3 to 63`;
  if (!/^[a-z0-9.-]*$/.test(name)) return 'expected only lower-case letters, digits, "." and "-"';
  if (!/^[a-z0-9].*[a-z0-9]$/.test(name)) return 'expected a letter or digit at both ends';
  if (name.includes('..')) return 'expected no two dots side by side';
  // Between dots stand DNS labels: in virtual-hosted addresses the name is part of a host name.
  if (name.includes('.-') || name.includes('-.')) return 'expected no dot beside a hyphen';
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(name)) return 'expected no IP address';
  const prefix = PREFIXES.find((candidate) => name.startsWith(candidate));
  if (prefix !== undefined) return `expected no name that starts with ${prefix}`;
  const suffix = SUFFIXES.find((candidate) => name.endsWith(candidate));
  return suffix === undefined ? undefined : `expected no name that ends with ${suffix}`;
}
