/**
 * One line an event, to standard error: time, level, what happened, and facts as name=value.
 */

const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const;

export type LogLevel = (typeof LEVELS)[number];
export type LogFacts = Readonly<Record<string, string | number | boolean | undefined>>;

export type Log = {
  /** Lines above this level are dropped. */
  setLevel(level: LogLevel): void;
  error(event: string, facts?: LogFacts): void;
  warn(event: string, facts?: LogFacts): void;
  info(event: string, facts?: LogFacts): void;
  debug(event: string, facts?: LogFacts): void;
};

/** A log that hands finished lines to `write` and takes the time from `wallMs`. */
export function createLog(options: {
  readonly level: LogLevel;
  readonly wallMs: () => number;
  readonly write: (line: string) => void;
}): Log {
  let limit = LEVELS.indexOf(options.level);
  const put = (level: LogLevel, event: string, facts: LogFacts = {}): void => {
    if (LEVELS.indexOf(level) > limit) return;
    const rest = Object.entries(facts).flatMap(([name, value]) => (value === undefined ? [] : [` ${name}=${show(value)}`]));
    options.write(`${new Date(options.wallMs()).toISOString()} ${level.padEnd(5)} ${oneLine(event)}${rest.join('')}\n`);
  };
  return {
    setLevel: (level) => {
      limit = LEVELS.indexOf(level);
    },
    error: (event, facts) => put('error', event, facts),
    warn: (event, facts) => put('warn', event, facts),
    info: (event, facts) => put('info', event, facts),
    debug: (event, facts) => put('debug', event, facts),
  };
}

function show(value: string | number | boolean): string {
  const text = String(value);
  return /^[\w.:/@+-]+$/.test(text) ? text : JSON.stringify(text);
}

/** A message that came with line breaks must not look like several events. */
function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, ' | ');
}
