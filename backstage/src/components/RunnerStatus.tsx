import { Chip } from '@material-ui/core';
import { makeStyles } from '@material-ui/core/styles';
import type { InstanceStatus, RunnerInstance } from '../api/types.js';
import { Problem } from './Problem.js';
import { RunnerProgress } from './RunnerProgress.js';

/** Not shown, but read out. */
const HEARD = {
  position: 'absolute',
  width: 1,
  height: 1,
  overflow: 'hidden',
  clipPath: 'inset(50%)',
  whiteSpace: 'nowrap',
} as const;

const useStyles = makeStyles(theme => ({
  starting: { borderColor: theme.palette.info.main },
  running: {
    borderColor: theme.palette.success.main,
    color: theme.palette.success.main,
  },
  stopping: { borderColor: theme.palette.warning.main },
  stopped: {},
  heard: HEARD,
  error: {
    borderColor: theme.palette.error.main,
    color: theme.palette.error.main,
  },
}));

const WORDS: Record<InstanceStatus, string> = {
  starting: 'Starting',
  running: 'Running',
  stopping: 'Stopping',
  stopped: 'Stopped',
  error: 'Error',
};

export interface RunnerStatusProps {
  /** Undefined: it was never started. */
  instance: RunnerInstance | undefined;
}

/** Where a component stands: the five steps, or what went wrong. */
export function RunnerStatus({ instance }: RunnerStatusProps) {
  const classes = useStyles();
  const status = instance?.status ?? 'stopped';
  const label = instance ? WORDS[status] : 'Not started';
  return (
    <div>
      <div role="status" aria-live="polite">
        <Chip
          size="small"
          variant="outlined"
          label={label}
          className={classes[status]}
        />
        <span className={classes.heard}>{currentStep(instance)}</span>
      </div>
      {instance?.status === 'starting' && instance.deploymentProgress && (
        <RunnerProgress progress={instance.deploymentProgress} />
      )}
      {instance?.status === 'error' && <Failure instance={instance} />}
    </div>
  );
}

/** What the five steps show, in words for those who hear the page. */
function currentStep(instance: RunnerInstance | undefined): string {
  const steps = instance?.deploymentProgress?.steps ?? [];
  const current = steps.find(step => step.status === 'in_progress');
  return instance?.status === 'starting' && current ? current.title : '';
}

function Failure({ instance }: { instance: RunnerInstance }) {
  const steps = instance.deploymentProgress?.steps ?? [];
  const failed = steps.find(step => step.status === 'failed');
  const end = instance.outOfMemory
    ? 'Out of memory'
    : exitOf(instance);
  return (
    <Problem
      title={failed ? `${failed.title} has failed` : (end ?? 'It has failed')}
      message={instance.error}
      code={instance.errorCode}
    />
  );
}

function exitOf({ exitCode, signal }: RunnerInstance): string | undefined {
  if (signal) return `Ended by ${signal}`;
  return exitCode === undefined ? undefined : `Ended with code ${exitCode}`;
}
