import type { RunnerApi } from '../api/RunnerApi.js';
import { RunnerError, toError } from '../api/RunnerError.js';
import { isActive } from '../api/types.js';
import { Pause, backoffMs } from './backoff.js';
import { LogBuffer, type LogLine } from './LogBuffer.js';

/** ended: the instance is over, and this is its whole log. */
export type LogState = 'connecting' | 'following' | 'ended' | 'lost';

export interface LogSnapshot {
  state: LogState;
  lines: readonly LogLine[];
  /** Earlier lines, of which there were too many. */
  dropped: number;
  problem?: Error;
}

export interface LogFollowerOptions {
  maxLines: number;
  build: boolean;
}

/** A log that grows faster than this is shown in steps. */
const PUBLISH_MS = 100;

/** Follows the log of one instance, until it ends or nobody looks. */
export class LogFollower {
  private readonly api: RunnerApi;
  private readonly instanceId: string;
  private readonly options: LogFollowerOptions;
  private readonly pause = new Pause();
  private readonly listeners = new Set<() => void>();
  private buffer: LogBuffer;
  private snapshot: LogSnapshot = { state: 'connecting', lines: [], dropped: 0 };
  private running: AbortController | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(api: RunnerApi, instanceId: string, options: LogFollowerOptions) {
    this.api = api;
    this.instanceId = instanceId;
    this.options = options;
    this.buffer = new LogBuffer(options.maxLines);
  }

  /** Both for useSyncExternalStore. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    if (!this.running) {
      this.running = new AbortController();
      void this.run(this.running.signal);
    }
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) {
        this.running?.abort();
        this.running = undefined;
        clearTimeout(this.timer);
        this.timer = undefined;
      }
    };
  };
  readonly getSnapshot = (): LogSnapshot => this.snapshot;

  readonly retry = (): void => this.pause.wake();

  private async run(signal: AbortSignal): Promise<void> {
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        if (await this.follow(signal)) {
          failures = 0;
        }
        if (!isActive(await this.api.instance(this.instanceId))) {
          this.publish(signal, 'ended');
          return;
        }
      } catch (cause) {
        this.publish(signal, 'lost', toError(cause));
        if (cause instanceof RunnerError && cause.status === 404) {
          return;
        }
      }
      await this.pause.wait(backoffMs(Math.max(failures, 1)), signal);
    }
  }

  /**
   * From the beginning each time: the lines that are shown stay until the new
   * ones are there. True when anything came.
   */
  private async follow(signal: AbortSignal): Promise<boolean> {
    const { maxLines, build } = this.options;
    const buffer = new LogBuffer(maxLines);
    const options = build ? { build } : { tail: maxLines };
    const pieces = this.api.followLogs(this.instanceId, signal, options);
    let any = false;
    for await (const piece of pieces) {
      any ||= piece !== '';
      buffer.push(piece);
      this.buffer = buffer;
      this.publishSoon(signal);
    }
    return any;
  }

  private publishSoon(signal: AbortSignal): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.publish(signal, 'following');
    }, PUBLISH_MS);
  }

  private publish(signal: AbortSignal, state: LogState, problem?: Error): void {
    if (signal.aborted) {
      return;
    }
    clearTimeout(this.timer);
    this.timer = undefined;
    this.snapshot = {
      state,
      lines: this.buffer.kept,
      dropped: this.buffer.dropped,
      ...(problem ? { problem } : {}),
    };
    this.listeners.forEach(listener => listener());
  }
}
