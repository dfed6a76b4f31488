import { useApi } from '@backstage/core-plugin-api';
import { useMemo, useSyncExternalStore } from 'react';
import { runnerApiRef } from '../api/RunnerApi.js';
import { LogFollower, type LogSnapshot } from '../live/LogFollower.js';

export interface RunnerLogsOptions {
  /** How many lines are kept; 2000 when left out. */
  maxLines?: number;
  /** Begin with the output of the build. */
  build?: boolean;
}

export interface RunnerLogsResult extends LogSnapshot {
  /** Tries at once to get a lost connection back. */
  retry: () => void;
}

const MAX_LINES = 2000;

/** The log of an instance, followed to its end. */
export function useRunnerLogs(
  instanceId: string,
  options: RunnerLogsOptions = {},
): RunnerLogsResult {
  const api = useApi(runnerApiRef);
  const { maxLines = MAX_LINES, build = false } = options;
  const follower = useMemo(
    () => new LogFollower(api, instanceId, { maxLines, build }),
    [api, instanceId, maxLines, build],
  );
  const snapshot = useSyncExternalStore(
    follower.subscribe,
    follower.getSnapshot,
  );
  return { ...snapshot, retry: follower.retry };
}
