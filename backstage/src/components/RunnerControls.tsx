import { Button } from '@material-ui/core';
import { useRunner } from '../hooks/useRunner.js';
import type { RunnerInstance } from '../api/types.js';
import { RequestProblem } from './Problem.js';

export interface RunnerControlsProps {
  componentRef: string;
  /** The newest instance of it. */
  instance: RunnerInstance | undefined;
  /** What is shown may be old: nothing can be asked for. */
  disabled?: boolean;
}

/** Start or stop, whichever makes sense. */
export function RunnerControls(props: RunnerControlsProps) {
  const { componentRef, instance, disabled = false } = props;
  const { start, stop, pending, problem, forget } = useRunner();
  const status = instance?.status ?? 'stopped';
  const busy = disabled || pending !== undefined;
  const canStop = status === 'starting' || status === 'running';
  const canStart = status === 'stopped' || status === 'error';
  return (
    <div>
      {canStart ? (
        <Button
          size="small"
          variant="contained"
          color="primary"
          disabled={busy}
          aria-label={`Start ${componentRef}`}
          onClick={() => void start(componentRef)}
        >
          Start
        </Button>
      ) : (
        <Button
          size="small"
          variant="outlined"
          disabled={busy || !canStop}
          aria-label={`Stop ${componentRef}`}
          onClick={() => void (instance && stop(instance.id))}
        >
          {stopLabel(status, pending)}
        </Button>
      )}
      {problem && (
        <RequestProblem
          title="The request was refused"
          error={problem}
          action={{ label: 'Dismiss', onClick: forget }}
        />
      )}
    </div>
  );
}

function stopLabel(status: string, pending: string | undefined): string {
  if (status === 'stopping' || pending === 'stop') {
    return 'Stopping…';
  }
  return status === 'starting' ? 'Cancel' : 'Stop';
}
