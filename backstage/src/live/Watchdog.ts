/** Aborts a connection that has shown no sign of life for too long. */
export class Watchdog {
  readonly controller = new AbortController();
  private readonly ms: number;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly parent: AbortSignal;
  private readonly onParent = () => this.controller.abort();

  constructor(ms: number, parent: AbortSignal) {
    this.ms = ms;
    this.parent = parent;
    parent.addEventListener('abort', this.onParent);
    if (parent.aborted) {
      this.controller.abort();
    }
    this.alive();
  }

  alive(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.controller.abort(), this.ms);
  }

  /** To be called when the connection is over, however. */
  end(): void {
    clearTimeout(this.timer);
    this.parent.removeEventListener('abort', this.onParent);
    this.controller.abort();
  }
}
