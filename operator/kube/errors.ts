/**
 * What can go wrong between the operator and the API server, sorted by what to do about it.
 */

/** An answer of the API server that is not a success. */
export class ApiError extends Error {
  readonly status: number;
  /** The server's own word, such as Conflict or AlreadyExists. */
  readonly reason: string;
  /** From Retry-After; undefined where the server did not say. */
  readonly retryAfterMs: number | undefined;
  /** What was tried, such as `PATCH daemonsets openlake/lake-p0`. */
  readonly action: string;

  constructor(answer: {
    readonly status: number;
    readonly reason: string;
    readonly message: string;
    readonly action: string;
    readonly retryAfterMs?: number | undefined;
  }) {
    super(`Cannot ${answer.action}: the API server answers ${answer.status} ${answer.reason}: ${answer.message}`);
    this.name = 'ApiError';
    this.status = answer.status;
    this.reason = answer.reason;
    this.action = answer.action;
    this.retryAfterMs = answer.retryAfterMs;
  }
}

/** The connection failed, or went silent; nothing is known about whether the request was carried out. */
export class ConnectionError extends Error {
  constructor(action: string, cause: unknown) {
    super(`Cannot ${action}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = 'ConnectionError';
  }
}

/** The server says who may not do what: only a change of rights helps. */
export function isForbidden(error: unknown): error is ApiError {
  return error instanceof ApiError && (error.status === 403 || error.status === 401);
}

/** The server will never take this object: a value that our own checks let through, or an admission policy. */
export function isRefused(error: unknown): error is ApiError {
  return error instanceof ApiError && (error.status === 400 || error.status === 422);
}

export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}

/** The object changed since it was read, or exists already: read again. */
export function isConflict(error: unknown): boolean {
  return error instanceof ApiError && error.status === 409;
}

/** The list or watch is older than what the server keeps: list again. */
export function isExpired(error: unknown): boolean {
  return error instanceof ApiError && error.status === 410;
}

/** Tried again with back-off and without a word before the third time. */
export function isTransient(error: unknown): boolean {
  if (error instanceof ConnectionError) return true;
  return error instanceof ApiError && (error.status === 409 || error.status === 429 || error.status >= 500);
}
