import { useApi } from '@backstage/core-plugin-api';
import { useCallback, useEffect, useState } from 'react';
import { runnerApiRef } from '../api/RunnerApi.js';
import { toError } from '../api/RunnerError.js';
import type { RunnerComponent } from '../api/types.js';

export interface RunnerCatalog {
  /** Undefined until they are known. */
  components: readonly RunnerComponent[] | undefined;
  problem: Error | undefined;
  refresh: () => void;
}

/** The entities that can be run; asked for once, and when it is wished. */
export function useRunnerComponents(): RunnerCatalog {
  const api = useApi(runnerApiRef);
  const [components, setComponents] = useState<readonly RunnerComponent[]>();
  const [problem, setProblem] = useState<Error>();
  const [round, setRound] = useState(0);

  useEffect(() => {
    let current = true;
    api.components().then(
      found => {
        if (current) {
          setComponents(found);
          setProblem(undefined);
        }
      },
      (cause: unknown) => {
        if (current) {
          setProblem(toError(cause));
        }
      },
    );
    return () => {
      current = false;
    };
  }, [api, round]);
  const refresh = useCallback(() => setRound(n => n + 1), []);
  return { components, problem, refresh };
}
