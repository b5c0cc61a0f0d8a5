/** Amounts of bytes as Kubernetes writes them. */

const UNITS: Readonly<Record<string, number>> = { '': 1, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 };

/** Bytes of a quantity such as 8Gi; the schema has checked its form. */
export function parseBytes(quantity: string): number {
  const [, digits, unit] = /^(\d+)(Ki|Mi|Gi|Ti)?$/.exec(quantity) ?? [];
  return Number(digits) * (UNITS[unit ?? ''] ?? Number.NaN);
}
