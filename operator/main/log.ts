/** One JSON object a line, for whatever collects the logs of pods. */

export type Log = (event: string, fields?: Readonly<Record<string, unknown>>) => void;

/** A log to `write`; the clock is given, as everywhere outside of the edges. */
export function createLog(write: (line: string) => void, nowMs: () => number): Log {
  return (event, fields = {}) => write(JSON.stringify({ time: new Date(nowMs()).toISOString(), event, ...fields }));
}

/** An error as text, with what lies beneath it. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && !error.message.includes(error.cause.message)
    ? `${error.message}: ${error.cause.message}`
    : error.message;
}
