import { createApiRef } from '@backstage/core-plugin-api';
import type { RunnerComponent, RunnerFault, RunnerInstance } from './types.js';

export interface LogsOptions {
  /** The last so many lines; all when it is left out. */
  tail?: number;
  /** Begin with the output of the build. */
  build?: boolean;
}

/** One of the stream's; alive says only that the connection is. */
export type RunnerEvent =
  | { type: 'instance'; instance: RunnerInstance }
  | { type: 'removed'; id: string }
  | { type: 'alive' };

/** The hub's component API. All of it rejects with a RunnerError. */
export interface RunnerApi {
  /** Answers at once with an instance that is starting. */
  start(componentRef: string): Promise<RunnerInstance>;
  /** Answers when it has stopped; gives up a start as well. */
  stop(instanceId: string): Promise<void>;
  instance(instanceId: string): Promise<RunnerInstance>;
  /** Oldest first. */
  instances(): Promise<RunnerInstance[]>;
  /** The entities that can be run. */
  components(): Promise<RunnerComponent[]>;
  faults(instanceId: string): Promise<RunnerFault[]>;
  logs(instanceId: string, options?: LogsOptions): Promise<string>;
  /**
   * The log to the end of the instance; an empty piece first, when the hub
   * has accepted.
   */
  followLogs(
    instanceId: string,
    signal: AbortSignal,
    options?: LogsOptions,
  ): AsyncIterable<string>;
  /**
   * Every instance as it is, then each change. `onOpen` is called when the hub
   * has accepted.
   */
  events(signal: AbortSignal, onOpen: () => void): AsyncIterable<RunnerEvent>;
}

export const runnerApiRef = createApiRef<RunnerApi>({
  id: 'plugin.runner.hub',
});
