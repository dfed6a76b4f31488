import { makeStyles } from '@material-ui/core/styles';
import { memo } from 'react';
import type { LogLine } from '../live/LogBuffer.js';

const useStyles = makeStyles(theme => ({
  line: { minHeight: '1.2em', whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' },
  note: { color: theme.palette.text.secondary, fontStyle: 'italic' },
}));

export interface LogLinesProps {
  lines: readonly LogLine[];
  dropped: number;
  search: string;
}

/** The lines that hold the search text, in either letter case. */
export function LogLines({ lines, dropped, search }: LogLinesProps) {
  const classes = useStyles();
  const wanted = search.toLowerCase();
  const found = wanted
    ? lines.filter(line => line.text.toLowerCase().includes(wanted))
    : lines;
  return (
    <>
      {dropped > 0 && (
        <div className={classes.note}>
          {`${dropped} earlier lines are in the download only`}
        </div>
      )}
      {wanted && (
        <div className={classes.note} role="status">
          {`${found.length} of ${lines.length} lines`}
        </div>
      )}
      {found.map(line => (
        <Line key={line.number} text={line.text} className={classes.line} />
      ))}
    </>
  );
}

const Line = memo(function Line(props: { text: string; className: string }) {
  return <div className={props.className}>{props.text}</div>;
});
