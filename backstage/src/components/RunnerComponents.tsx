import {
  Button,
  LinearProgress,
  Table,
  TableBody,
  TableCell,
  TableContainer,
  TableHead,
  TableRow,
  Typography,
} from '@material-ui/core';
import {
  type RunnerComponent,
  type RunnerInstance,
  isActive,
} from '../api/types.js';
import { useRunnerComponents } from '../hooks/useRunnerComponents.js';
import { sameRef, useRunnerInstances } from '../hooks/useRunnerInstances.js';
import { ConnectionNotice } from './ConnectionNotice.js';
import { RequestProblem } from './Problem.js';
import { COLUMNS, RunnerRow } from './RunnerRow.js';

/** Every component that can be run, live, with its controls. */
export function RunnerComponents() {
  const { components, problem, refresh } = useRunnerComponents();
  const { connection, latest, ...live } = useRunnerInstances();
  const rows = withStrangers(components ?? [], live.instances);
  return (
    <div aria-busy={!components && !problem}>
      <ConnectionNotice
        connection={connection}
        problem={live.problem}
        retry={live.retry}
      />
      {problem && (
        <RequestProblem
          title="The components cannot be listed"
          error={problem}
          action={{ label: 'Try again', onClick: refresh }}
        />
      )}
      {!components && !problem && (
        <LinearProgress aria-label="Loading the components" />
      )}
      {components && rows.length === 0 && <NothingToRun />}
      {rows.length > 0 && (
        <TableContainer>
          <Table size="small" aria-label="Components that can be run">
            <Head refresh={refresh} />
            <TableBody>
              {rows.map(component => (
                <RunnerRow
                  key={component.componentRef.toLowerCase()}
                  component={component}
                  instance={latest(component.componentRef)}
                  disabled={connection === 'connecting' || connection === 'lost'}
                />
              ))}
            </TableBody>
          </Table>
        </TableContainer>
      )}
    </div>
  );
}

function Head({ refresh }: { refresh: () => void }) {
  return (
    <TableHead>
      <TableRow>
        {COLUMNS.map(column => (
          <TableCell key={column}>
            {column}
            {column === 'Actions' && (
              <Button
                size="small"
                aria-label="Read the catalog again"
                onClick={refresh}
              >
                Refresh
              </Button>
            )}
          </TableCell>
        ))}
      </TableRow>
    </TableHead>
  );
}

function NothingToRun() {
  return (
    <Typography>
      No component can be run yet. An entity of the catalog is listed here when
      it has the annotation <code>runner.backstage.io/enabled: &quot;true&quot;</code>.
    </Typography>
  );
}

/** Those that run although the catalog lists them no more can be stopped. */
function withStrangers(
  components: readonly RunnerComponent[],
  instances: readonly RunnerInstance[],
): RunnerComponent[] {
  const rows = [...components];
  for (const { componentRef } of instances.filter(isActive)) {
    if (!rows.some(row => sameRef(row.componentRef, componentRef))) {
      rows.push({ componentRef, name: componentRef });
    }
  }
  return rows;
}
