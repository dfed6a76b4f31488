import { useApi } from '@backstage/core-plugin-api';
import { useSyncExternalStore } from 'react';
import { runnerApiRef } from '../api/RunnerApi.js';
import type { RunnerInstance } from '../api/types.js';
import { type InstancesSnapshot, instancesFeed } from '../live/InstancesFeed.js';

export interface RunnerInstances extends InstancesSnapshot {
  /** The newest instance of a component. */
  latest: (componentRef: string) => RunnerInstance | undefined;
  /** Tries at once to get a lost connection back. */
  retry: () => void;
}

/** All instances, live: no call of its own asks again. */
export function useRunnerInstances(): RunnerInstances {
  const feed = instancesFeed(useApi(runnerApiRef));
  const snapshot = useSyncExternalStore(feed.subscribe, feed.getSnapshot);
  const latest = (componentRef: string) =>
    newest(snapshot.instances, componentRef);
  return { ...snapshot, latest, retry: feed.retry };
}

/** References of entities do not differ in letter case. */
export function sameRef(left: string, right: string): boolean {
  return left.toLowerCase() === right.toLowerCase();
}

function newest(
  instances: readonly RunnerInstance[],
  componentRef: string,
): RunnerInstance | undefined {
  let found: RunnerInstance | undefined;
  for (const instance of instances) {
    if (sameRef(instance.componentRef, componentRef)) {
      found = instance;
    }
  }
  return found;
}
