import type { RunnerApi, RunnerEvent } from '../api/RunnerApi.js';
import { RunnerError, toError } from '../api/RunnerError.js';
import type { RunnerInstance } from '../api/types.js';
import { Pause, backoffMs } from './backoff.js';
import { Watchdog } from './Watchdog.js';

/**
 * connecting: nothing known yet. live: what is shown is what is. polling: the
 * other side has no stream of events, the list is asked for. lost: what is
 * shown may be old.
 */
export type Connection = 'connecting' | 'live' | 'polling' | 'lost';

export interface InstancesSnapshot {
  connection: Connection;
  /** Oldest first. */
  instances: readonly RunnerInstance[];
  /** Why the connection is lost. */
  problem?: Error;
}

/** The hub says something every 15 seconds. */
const SILENCE_MS = 45_000;
const POLL_MS = 5_000;
/** A connection that lasted so long was a good one. */
const STEADY_MS = 10_000;

function ended(): RunnerError {
  return new RunnerError('NetworkError', 'The stream of events has ended', 0);
}

function page(): Document | undefined {
  return globalThis.document;
}

/**
 * All instances, kept true by the hub's stream of events: one connection for
 * all that look, open while somebody does. A page in the background does not:
 * browsers have few connections to a host, and people have many tabs.
 */
export class InstancesFeed {
  private readonly api: RunnerApi;
  private readonly listeners = new Set<() => void>();
  private readonly pause = new Pause();
  private readonly known = new Map<string, RunnerInstance>();
  private snapshot: InstancesSnapshot = {
    connection: 'connecting',
    instances: [],
  };
  private running: AbortController | undefined;
  private failures = 0;

  constructor(api: RunnerApi) {
    this.api = api;
  }

  /** Both for useSyncExternalStore. */
  readonly subscribe = (listener: () => void): (() => void) => {
    if (this.listeners.size === 0) {
      page()?.addEventListener('visibilitychange', this.openOrClose);
    }
    this.listeners.add(listener);
    this.openOrClose();
    return () => {
      this.listeners.delete(listener);
      this.openOrClose();
      if (this.listeners.size === 0) {
        page()?.removeEventListener('visibilitychange', this.openOrClose);
      }
    };
  };
  readonly getSnapshot = (): InstancesSnapshot => this.snapshot;

  /** What an answer to a request told, before the stream does. */
  put(instance: RunnerInstance): void {
    this.known.set(instance.id, instance);
    this.publish({});
  }

  /** Tries again at once. */
  readonly retry = (): void => this.pause.wake();

  private readonly openOrClose = (): void => {
    const wanted = this.listeners.size > 0 && !page()?.hidden;
    if (wanted && !this.running) {
      this.open();
    } else if (!wanted && this.running) {
      this.close();
    }
  };

  private open(): void {
    this.running = new AbortController();
    this.failures = 0;
    globalThis.addEventListener?.('online', this.retry);
    void this.run(this.running.signal);
  }

  private close(): void {
    this.running?.abort();
    this.running = undefined;
    globalThis.removeEventListener?.('online', this.retry);
    this.publish({ connection: 'connecting' });
  }

  private async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const begun = Date.now();
      let problem: Error | undefined;
      try {
        await this.follow(signal);
      } catch (cause) {
        problem = toError(cause);
      }
      // A proxy's limit of time ends good connections: no news for the user.
      const lasted = Date.now() - begun > STEADY_MS;
      this.failures = lasted ? 0 : this.failures + 1;
      if (!signal.aborted && (problem || !lasted)) {
        this.publish({ connection: 'lost', problem: problem ?? ended() });
      }
      await this.pause.wait(backoffMs(this.failures), signal);
    }
  }

  /** Until the connection ends. */
  private async follow(signal: AbortSignal): Promise<void> {
    const watchdog = new Watchdog(SILENCE_MS, signal);
    try {
      await this.stream(watchdog, signal);
    } catch (cause) {
      if (!(cause instanceof RunnerError) || cause.status !== 404) {
        throw cause;
      }
      await this.poll(signal);
    } finally {
      watchdog.end();
    }
  }

  private async stream(watchdog: Watchdog, signal: AbortSignal): Promise<void> {
    let refreshed: Promise<void> | undefined;
    const onOpen = () => {
      refreshed = this.refresh('live', signal);
      // Awaited below; until then it may fail unobserved.
      refreshed.catch(() => watchdog.controller.abort());
    };
    try {
      const events = this.api.events(watchdog.controller.signal, onOpen);
      for await (const event of events) {
        watchdog.alive();
        await refreshed;
        if (!signal.aborted) {
          this.take(event);
        }
      }
    } finally {
      await refreshed;
    }
  }

  private take(event: RunnerEvent): void {
    if (event.type === 'instance') {
      this.put(event.instance);
    } else if (event.type === 'removed') {
      this.known.delete(event.id);
      this.publish({});
    }
  }

  private async poll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.refresh('polling', signal);
      await this.pause.wait(POLL_MS, signal);
    }
  }

  /** The whole list, so that those that are gone go. */
  private async refresh(
    connection: Connection,
    signal: AbortSignal,
  ): Promise<void> {
    const instances = await this.api.instances();
    if (signal.aborted) {
      return;
    }
    this.known.clear();
    instances.forEach(instance => this.known.set(instance.id, instance));
    this.publish({ connection });
  }

  private publish(change: Partial<InstancesSnapshot>): void {
    const connection = change.connection ?? this.snapshot.connection;
    const problem = change.problem ?? this.snapshot.problem;
    this.snapshot = {
      connection,
      instances: [...this.known.values()],
      ...(connection === 'lost' && problem ? { problem } : {}),
    };
    this.listeners.forEach(listener => listener());
  }
}

const feeds = new WeakMap<RunnerApi, InstancesFeed>();

/** The one feed of this API. */
export function instancesFeed(api: RunnerApi): InstancesFeed {
  let feed = feeds.get(api);
  if (!feed) {
    feed = new InstancesFeed(api);
    feeds.set(api, feed);
  }
  return feed;
}
