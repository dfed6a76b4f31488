import {
  Button,
  Card,
  CardContent,
  CardHeader,
  Typography,
} from '@material-ui/core';
import { useState } from 'react';
import {
  ENABLED,
  type RunnerEntity,
  isRunnerAvailable,
  refOfEntity,
  useCatalogEntity,
} from '../hooks/useCatalogEntity.js';
import { useRunnerInstances } from '../hooks/useRunnerInstances.js';
import { ConnectionNotice } from './ConnectionNotice.js';
import { RunnerControls } from './RunnerControls.js';
import { RunnerLinks } from './RunnerLinks.js';
import { RunnerLogs } from './RunnerLogs.js';
import { RunnerStatus } from './RunnerStatus.js';

export interface EntityRunnerCardProps {
  /** Left out: the entity of the page that the card stands on. */
  entity?: RunnerEntity;
}

/** The runner on the page of one entity. */
export function EntityRunnerCard(props: EntityRunnerCardProps) {
  const ofPage = useCatalogEntity();
  const entity = props.entity ?? ofPage;
  return (
    <Card>
      <CardHeader title="Runner" titleTypographyProps={{ component: 'h2' }} />
      <CardContent>
        {entity && isRunnerAvailable(entity) ? (
          <EntityRunner componentRef={refOfEntity(entity)} />
        ) : (
          <Typography>
            To run this entity from here, give it the annotation{' '}
            <code>{ENABLED}: &quot;true&quot;</code>.
          </Typography>
        )}
      </CardContent>
    </Card>
  );
}

function EntityRunner({ componentRef }: { componentRef: string }) {
  const { connection, latest, problem, retry } = useRunnerInstances();
  const [open, setOpen] = useState(false);
  const instance = latest(componentRef);
  return (
    <>
      <ConnectionNotice
        connection={connection}
        problem={problem}
        retry={retry}
      />
      <RunnerStatus instance={instance} />
      {instance && <RunnerLinks instance={instance} />}
      <RunnerControls
        componentRef={componentRef}
        instance={instance}
        disabled={connection === 'connecting' || connection === 'lost'}
      />
      {instance && (
        <>
          <Button
            size="small"
            aria-expanded={open}
            onClick={() => setOpen(!open)}
          >
            {open ? 'Hide log' : 'Log'}
          </Button>
          {open && (
            <RunnerLogs
              key={instance.id}
              instanceId={instance.id}
              componentRef={componentRef}
            />
          )}
        </>
      )}
    </>
  );
}
