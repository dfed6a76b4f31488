import { useApi } from '@backstage/core-plugin-api';
import {
  Button,
  Checkbox,
  FormControlLabel,
  TextField,
  Typography,
} from '@material-ui/core';
import { makeStyles } from '@material-ui/core/styles';
import { useState } from 'react';
import { runnerApiRef } from '../api/RunnerApi.js';
import { toError } from '../api/RunnerError.js';
import { saveText } from './saveText.js';
import { RequestProblem } from './Problem.js';

const useStyles = makeStyles(theme => ({
  root: {
    display: 'flex',
    flexWrap: 'wrap',
    alignItems: 'center',
    gap: theme.spacing(1),
    marginBottom: theme.spacing(1),
  },
  state: { flexGrow: 1 },
}));

export interface LogToolbarProps {
  instanceId: string;
  componentRef: string;
  state: string;
  paused: boolean;
  onPause: () => void;
  search: string;
  onSearch: (search: string) => void;
  build: boolean;
  onBuild: (build: boolean) => void;
}

export function LogToolbar(props: LogToolbarProps) {
  const classes = useStyles();
  const { save, problem } = useDownload(props);
  return (
    <>
      <div className={classes.root} role="group" aria-label="Log controls">
        <Typography variant="body2" role="status" className={classes.state}>
          {props.state}
        </Typography>
        <TextField
          size="small"
          label="Search"
          type="search"
          value={props.search}
          onChange={event => props.onSearch(event.target.value)}
          inputProps={{ 'aria-label': 'Search the log' }}
        />
        <FormControlLabel
          label="Build"
          control={
            <Checkbox
              size="small"
              checked={props.build}
              onChange={event => props.onBuild(event.target.checked)}
            />
          }
        />
        <Button size="small" aria-pressed={props.paused} onClick={props.onPause}>
          {props.paused ? 'Resume' : 'Pause'}
        </Button>
        <Button size="small" onClick={save}>
          Download
        </Button>
      </div>
      {problem && (
        <RequestProblem title="The log was not downloaded" error={problem} />
      )}
    </>
  );
}

/** The whole log as the hub has it, not only the lines that are shown. */
function useDownload(props: LogToolbarProps) {
  const { instanceId, componentRef, build } = props;
  const api = useApi(runnerApiRef);
  const [problem, setProblem] = useState<Error>();
  const save = () => {
    api.logs(instanceId, { build }).then(
      text => {
        setProblem(undefined);
        saveText(`${componentRef.replace(/[^\w.-]+/g, '-')}.log`, text);
      },
      (cause: unknown) => setProblem(toError(cause)),
    );
  };
  return { save, problem };
}
