import { LinearProgress, Typography } from '@material-ui/core';
import { makeStyles } from '@material-ui/core/styles';
import type { DeploymentProgress, DeploymentStep } from '../api/types.js';

const useStyles = makeStyles(theme => ({
  root: { minWidth: 220 },
  steps: { listStyle: 'none', margin: theme.spacing(1, 0, 0), padding: 0 },
  pending: { color: theme.palette.text.disabled },
  in_progress: { color: theme.palette.text.primary },
  completed: { color: theme.palette.text.secondary },
  failed: { color: theme.palette.error.main },
}));

const MARKS = { pending: '○', in_progress: '●', completed: '✓', failed: '✗' };
const WORDS = {
  pending: 'waiting',
  in_progress: 'in progress',
  completed: 'done',
  failed: 'failed',
};

/** The five steps from a source to a running container. */
export function RunnerProgress({ progress }: { progress: DeploymentProgress }) {
  const classes = useStyles();
  return (
    <div className={classes.root}>
      <LinearProgress
        variant="determinate"
        value={progress.overallProgress}
        aria-label="Progress of the start"
        color={progress.hasError ? 'secondary' : 'primary'}
      />
      <ol className={classes.steps}>
        {progress.steps.map(step => (
          <li
            key={step.type}
            className={classes[step.status]}
            aria-current={step.status === 'in_progress' ? 'step' : undefined}
          >
            <Typography variant="body2" component="span">
              <span aria-hidden="true">{MARKS[step.status]} </span>
              {step.title}: {wordsOf(step)}
            </Typography>
          </li>
        ))}
      </ol>
    </div>
  );
}

function wordsOf(step: DeploymentStep): string {
  return step.progress === undefined
    ? WORDS[step.status]
    : `${WORDS[step.status]}, ${step.progress}%`;
}
