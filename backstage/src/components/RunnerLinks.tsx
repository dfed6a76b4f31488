import { Link } from '@material-ui/core';
import { makeStyles } from '@material-ui/core/styles';
import type { RunnerInstance } from '../api/types.js';

const useStyles = makeStyles(theme => ({
  list: { listStyle: 'none', margin: 0, padding: 0 },
  item: { display: 'inline-block', marginRight: theme.spacing(1) },
}));

/**
 * Where a port is reached: the host that the hub was told, else the one that
 * this page came from.
 */
export function linkOf(instance: RunnerInstance, port: number): string {
  const host = instance.publicHost ?? window.location.hostname;
  return /^[^[].*:/.test(host)
    ? `http://[${host}]:${port}`
    : `http://${host}:${port}`;
}

/** The ports of a running component. */
export function RunnerLinks({ instance }: { instance: RunnerInstance }) {
  const classes = useStyles();
  if (instance.status !== 'running' || instance.ports.length === 0) {
    return null;
  }
  return (
    <ul className={classes.list} aria-label={`Ports of ${instance.componentRef}`}>
      {instance.ports.map(port => (
        <li key={port} className={classes.item}>
          <Link
            href={linkOf(instance, port)}
            target="_blank"
            rel="noopener noreferrer"
          >
            {`:${port}`}
          </Link>
        </li>
      ))}
    </ul>
  );
}
