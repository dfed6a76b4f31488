import { makeStyles } from '@material-ui/core/styles';
import { useEffect, useRef, useState } from 'react';
import { useRunnerLogs } from '../hooks/useRunnerLogs.js';
import type { LogSnapshot, LogState } from '../live/LogFollower.js';
import { LogLines } from './LogLines.js';
import { LogToolbar } from './LogToolbar.js';
import { RequestProblem } from './Problem.js';

const useStyles = makeStyles(theme => ({
  log: {
    margin: 0,
    maxHeight: 420,
    overflow: 'auto',
    padding: theme.spacing(1),
    fontFamily: 'monospace',
    fontSize: '0.8rem',
    color: theme.palette.text.primary,
    backgroundColor: theme.palette.background.default,
    border: `1px solid ${theme.palette.divider}`,
  },
}));

const WORDS: Record<LogState, string> = {
  connecting: 'Waiting for the log',
  following: 'Following',
  ended: 'The log is complete',
  lost: 'Connection lost',
};

export interface RunnerLogsProps {
  instanceId: string;
  /** In the name of the downloaded file. */
  componentRef?: string;
  /** How many lines are kept and shown; 2000 when left out. */
  maxLines?: number;
}

/** The log of an instance as it is written, with a search and a download. */
export function RunnerLogs(props: RunnerLogsProps) {
  const { instanceId, componentRef = instanceId, maxLines } = props;
  const [build, setBuild] = useState(false);
  const [search, setSearch] = useState('');
  const [frozen, setFrozen] = useState<LogSnapshot>();
  const live = useRunnerLogs(instanceId, {
    build,
    ...(maxLines === undefined ? {} : { maxLines }),
  });
  const shown = frozen ?? live;
  return (
    <section aria-label={`Log of ${componentRef}`}>
      <LogToolbar
        instanceId={instanceId}
        componentRef={componentRef}
        state={frozen ? 'Paused' : WORDS[live.state]}
        paused={frozen !== undefined}
        onPause={() => setFrozen(frozen ? undefined : live)}
        search={search}
        onSearch={setSearch}
        build={build}
        onBuild={setBuild}
      />
      {live.state === 'lost' && live.problem && (
        <RequestProblem
          title="The log is incomplete. Trying again."
          error={live.problem}
          action={{ label: 'Try now', onClick: live.retry }}
        />
      )}
      <LogView snapshot={shown} search={search} label={componentRef} />
    </section>
  );
}

interface LogViewProps {
  snapshot: LogSnapshot;
  search: string;
  label: string;
}

/** Stays at the end, unless its reader has scrolled away from it. */
function LogView({ snapshot, search, label }: LogViewProps) {
  const classes = useStyles();
  const element = useRef<HTMLPreElement>(null);
  const atEnd = useRef(true);

  useEffect(() => {
    if (element.current && atEnd.current) {
      element.current.scrollTop = element.current.scrollHeight;
    }
  }, [snapshot]);
  const onScroll = () => {
    const pre = element.current;
    if (pre) {
      atEnd.current = pre.scrollHeight - pre.scrollTop - pre.clientHeight < 20;
    }
  };
  return (
    <pre
      ref={element}
      role="log"
      aria-live="off"
      aria-label={`Lines of ${label}`}
      // It scrolls: keys must reach it.
      tabIndex={0}
      className={classes.log}
      onScroll={onScroll}
    >
      <LogLines
        lines={snapshot.lines}
        dropped={snapshot.dropped}
        search={search}
      />
    </pre>
  );
}
