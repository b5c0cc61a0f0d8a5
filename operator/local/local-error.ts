/** An error that a user can act on: its message is the whole story, and no stack is shown. */
export class LocalError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'LocalError';
  }
}
