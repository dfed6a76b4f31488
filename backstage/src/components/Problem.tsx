import { Button, Typography } from '@material-ui/core';
import { makeStyles } from '@material-ui/core/styles';
import { RunnerError } from '../api/RunnerError.js';

const useStyles = makeStyles(theme => ({
  root: {
    borderLeft: `4px solid ${theme.palette.error.main}`,
    padding: theme.spacing(0.5, 1.5),
    margin: theme.spacing(1, 0),
  },
  words: { whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' },
  code: { fontFamily: 'monospace', color: theme.palette.text.secondary },
}));

export interface ProblemProps {
  /** What was tried: "Component:default/shop could not be started". */
  title: string;
  /** The hub's own words. */
  message?: string | undefined;
  code?: string | undefined;
  action?: { label: string; onClick: () => void } | undefined;
}

/** A problem, told at once to screen readers as well. */
export function Problem({ title, message, code, action }: ProblemProps) {
  const classes = useStyles();
  return (
    <div role="alert" className={classes.root}>
      <Typography variant="subtitle2" component="p">
        {title}
      </Typography>
      {message && (
        <Typography variant="body2" className={classes.words}>
          {message}
        </Typography>
      )}
      {code && (
        <Typography variant="caption" className={classes.code}>
          {code}
        </Typography>
      )}
      {action && (
        <div>
          <Button size="small" onClick={action.onClick}>
            {action.label}
          </Button>
        </div>
      )}
    </div>
  );
}

export interface RequestProblemProps {
  title: string;
  error: Error;
  action?: ProblemProps['action'];
}

/** The same for a request that was refused, with a way on where one is known. */
export function RequestProblem({ title, error, action }: RequestProblemProps) {
  return (
    <Problem
      title={title}
      message={error.message}
      code={codeOf(error)}
      action={action}
    />
  );
}

function codeOf(error: Error): string | undefined {
  if (!(error instanceof RunnerError) || error.status === 0) {
    return undefined;
  }
  return [error.status, error.name, error.code].filter(Boolean).join(' ');
}
