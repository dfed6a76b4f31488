const FIRST_MS = 500;
const LAST_MS = 30_000;

/**
 * How long to wait before the next attempt: doubled each time, and spread so
 * that the browsers of a whole company do not come back in one second.
 */
export function backoffMs(failures: number, random = Math.random): number {
  const whole = Math.min(LAST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 20));
  return whole / 2 + (whole / 2) * random();
}

/** Resolves after that time, at an abort, or when somebody wakes it. */
export class Pause {
  private wakeUp: () => void = () => undefined;

  wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      if (signal.aborted) {
        resolve();
        return;
      }
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.wakeUp = () => undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
      this.wakeUp = done;
    });
  }

  wake(): void {
    this.wakeUp();
  }
}
