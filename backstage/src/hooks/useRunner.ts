import { useApi } from '@backstage/core-plugin-api';
import { useCallback, useState } from 'react';
import { runnerApiRef } from '../api/RunnerApi.js';
import { toError } from '../api/RunnerError.js';
import type { RunnerInstance } from '../api/types.js';
import { instancesFeed } from '../live/InstancesFeed.js';

export type RunnerAction = 'start' | 'stop';

export interface Runner {
  /** Undefined when it was refused: see problem. */
  start: (componentRef: string) => Promise<RunnerInstance | undefined>;
  stop: (instanceId: string) => Promise<boolean>;
  /** What was asked for and is not answered yet. */
  pending: RunnerAction | undefined;
  /** Why the last request was refused. */
  problem: Error | undefined;
  forget: () => void;
}

/** Starts and stops; what it does is seen at once by useRunnerInstances. */
export function useRunner(): Runner {
  const api = useApi(runnerApiRef);
  const [pending, setPending] = useState<RunnerAction>();
  const [problem, setProblem] = useState<Error>();

  const attempt = useCallback(
    async <T>(action: RunnerAction, request: () => Promise<T>) => {
      setPending(action);
      setProblem(undefined);
      try {
        return await request();
      } catch (cause) {
        setProblem(toError(cause));
        return undefined;
      } finally {
        setPending(undefined);
      }
    },
    [],
  );
  const start = useCallback(
    (componentRef: string) =>
      attempt('start', async () => {
        const instance = await api.start(componentRef);
        instancesFeed(api).put(instance);
        return instance;
      }),
    [api, attempt],
  );
  const stop = useCallback(
    async (instanceId: string) =>
      (await attempt('stop', async () => {
        await api.stop(instanceId);
        return true;
      })) ?? false,
    [api, attempt],
  );
  const forget = useCallback(() => setProblem(undefined), []);
  return { start, stop, pending, problem, forget };
}
