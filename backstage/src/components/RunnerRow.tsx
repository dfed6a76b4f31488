import { Button, TableCell, TableRow, Typography } from '@material-ui/core';
import { useState } from 'react';
import type { RunnerComponent, RunnerInstance } from '../api/types.js';
import { RunnerControls } from './RunnerControls.js';
import { RunnerLinks } from './RunnerLinks.js';
import { RunnerLogs } from './RunnerLogs.js';
import { RunnerStatus } from './RunnerStatus.js';

export const COLUMNS = ['Component', 'Owner', 'Status', 'Links', 'Actions'];

export interface RunnerRowProps {
  component: RunnerComponent;
  instance: RunnerInstance | undefined;
  disabled: boolean;
}

/** A component with its controls, and its log below when it is asked for. */
export function RunnerRow({ component, instance, disabled }: RunnerRowProps) {
  const [open, setOpen] = useState(false);
  const ref = component.componentRef;
  return (
    <>
      <TableRow aria-label={ref}>
        <TableCell component="th" scope="row">
          {component.name}
          {component.description && (
            <Typography variant="body2" color="textSecondary">
              {component.description}
            </Typography>
          )}
        </TableCell>
        <TableCell>{component.owner}</TableCell>
        <TableCell>
          <RunnerStatus instance={instance} />
        </TableCell>
        <TableCell>{instance && <RunnerLinks instance={instance} />}</TableCell>
        <TableCell>
          <RunnerControls
            componentRef={ref}
            instance={instance}
            disabled={disabled}
          />
          <Button
            size="small"
            disabled={!instance}
            aria-expanded={open && instance !== undefined}
            aria-label={`Log of ${ref}`}
            onClick={() => setOpen(!open)}
          >
            {open ? 'Hide log' : 'Log'}
          </Button>
        </TableCell>
      </TableRow>
      {open && instance && (
        <TableRow>
          <TableCell colSpan={COLUMNS.length}>
            <RunnerLogs
              key={instance.id}
              instanceId={instance.id}
              componentRef={instance.componentRef}
            />
          </TableCell>
        </TableRow>
      )}
    </>
  );
}
