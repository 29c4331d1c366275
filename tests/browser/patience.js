/** How long a test waits for anything that has no time of its own: for long, as the machine may be busy. */
export const PATIENCE_MS = 45_000;
