/** Each refusal and each failure, in the hub's own words. */
import { closeBrowser } from './browser.js';
import assert from 'node:assert/strict';
import { after, afterEach, test } from 'node:test';
import {
  createVersionedContext,
  createVersionedValueMap,
} from '@backstage/version-bridge';
import { screen, within } from '@testing-library/react';
import type { ReactNode } from 'react';
import {
  EntityRunnerCard,
  RunnerComponents,
  RunnerControls,
  type RunnerEntity,
  type RunnerInstance,
  RunnerLogs,
  RunnerStatus,
} from '@runnerhub/backstage-plugin-runner';
import {
  button,
  press,
  pressWhenEnabled,
  problemOf,
  row,
  start,
  statusOf,
  stop,
} from './page.js';
import { cleanup, eventually, given, show } from './portal.js';

afterEach(cleanup);
after(closeBrowser);

const NOBODY = '11111111-2222-4333-8444-555555555555';

const EntityContext = createVersionedContext<{ 1: { entity: RunnerEntity } }>(
  'entity-context',
);

/** What the catalog puts around the cards of an entity's page. */
function EntityPage(props: { entity: RunnerEntity; children: ReactNode }) {
  const value = createVersionedValueMap({ 1: { entity: props.entity } });
  return (
    <EntityContext.Provider value={value}>
      {props.children}
    </EntityContext.Provider>
  );
}

async function refusal(componentRef: string): Promise<string> {
  show(<RunnerControls componentRef={componentRef} instance={undefined} />);
  await pressWhenEnabled(`Start ${componentRef}`);
  return problemOf(() => document.body);
}

test('one that is not enabled', async () => {
  const words = await refusal('Component:default/disabled');
  assert.match(words, /Component is not enabled for runner/);
  assert.match(words, /400 InputError/);
  press('Dismiss');
  assert.ok(screen.queryByRole('alert') === null, 'an alert');
});

test('one that nobody knows', async () => {
  const words = await refusal('Component:default/nobody');
  assert.match(words, /Entity not found: Component:default\/nobody/);
  assert.match(words, /404 NotFoundError/);
});

test('a stop of one that is not there', async () => {
  const instance: RunnerInstance = {
    id: NOBODY,
    componentRef: 'Component:default/ghost',
    status: 'running',
    ports: [],
    startedAt: '2026-01-01T00:00:00.000Z',
  };
  show(<RunnerControls componentRef={instance.componentRef} instance={instance} />);
  await pressWhenEnabled('Stop Component:default/ghost');
  assert.match(await problemOf(() => document.body), /404 NotFoundError/);
});

test('a log that is not there', async () => {
  show(<RunnerLogs instanceId={NOBODY} />);
  const words = await problemOf(() => document.body);
  assert.match(words, /404 NotFoundError/);
});

test('a build that fails: which step, which words, and its output', async () => {
  show(<RunnerComponents />);
  await start('broken');
  await statusOf('broken', 'Error');
  const words = await problemOf(() => row('broken'));
  assert.match(words, /Building Docker Image has failed/);
  assert.match(words, /non-zero code: 7/);
  assert.match(words, /DOCKER_BUILD_FAILED/);
  press('Log of Component:default/broken');
  const log = await eventually(() => screen.getByRole('log'));
  await eventually(() => within(log).getByText(/^about to fail/));
  await eventually(() => screen.getByText('The log is complete'));
  assert.equal(button('Start Component:default/broken').disabled, false);
});

test('a port that is busy', async () => {
  show(<RunnerComponents />);
  await start('squatted');
  await statusOf('squatted', 'Error');
  const words = await problemOf(() => row('squatted'));
  assert.match(words, /PORT_ALREADY_IN_USE/);
  assert.match(words, new RegExp(new URL(given('HUB_URL')).port));
});

test('a second component while one runs, and a start that is given up', async () => {
  show(<RunnerComponents />);
  await start('slow');
  await statusOf('slow', 'Starting');
  await start('Chatty');
  const words = await problemOf(() => row('Chatty'));
  assert.match(words, /409 ConflictError/);
  assert.match(words, /already/);
  assert.match(words, /Component:default\/slow/);
  await eventually(() =>
    within(row('slow')).getByText(/Building Docker Image: in progress/),
  );
  assert.equal(button('Stop Component:default/slow').textContent, 'Cancel');
  await stop('slow');
  await statusOf('slow', 'Stopped');
});

test('a crash tells its code and its last words', async () => {
  const entity = {
    kind: 'Component',
    metadata: {
      name: 'crash',
      annotations: { 'runner.backstage.io/enabled': 'true' },
    },
  };
  show(
    <EntityPage entity={entity}>
      <EntityRunnerCard />
    </EntityPage>,
  );
  await start('crash');
  await eventually(() => screen.getByText('Error'));
  const words = await problemOf(() => document.body);
  assert.match(words, /exited with code 3/);
  assert.match(words, /no such table: users/);
  assert.match(words, /CONTAINER_EXITED/);
});

test('an entity that is not to be run says how it would be', async () => {
  show(
    <EntityPage entity={{ kind: 'Component', metadata: { name: 'plain' } }}>
      <EntityRunnerCard />
    </EntityPage>,
  );
  await eventually(() => screen.getByText(/runner.backstage.io\/enabled/));
  assert.equal(screen.queryAllByRole('button').length, 0);
});

test('nobody is signed in', async () => {
  const target = `${given('LOCKED_URL')}/api/runner`;
  show(<RunnerComponents />, { target });
  await eventually(() => {
    const alerts = screen.getAllByRole('alert').map(a => a.textContent ?? '');
    assert.equal(alerts.length, 2, 'the list, and the connection');
    for (const words of alerts) {
      assert.match(words, /Missing credentials401 AuthenticationError/);
    }
  });
});

test('a token that is not taken, and one that is', async () => {
  const target = `${given('LOCKED_URL')}/api/runner`;
  const wrong = show(<RunnerComponents />, { target, token: 'wrong' });
  await eventually(() => screen.getAllByText('Illegal token'));
  wrong.unmount();
  show(<RunnerComponents />, { target, token: given('LOCKED_KEY') });
  await eventually(() => row('Chatty'));
  await eventually(() =>
    assert.equal(button('Start Component:default/Chatty').disabled, false),
  );
});

test('a hub that is down', async () => {
  const target = `http://127.0.0.1:${given('NOBODYS_PORT')}/api/runner`;
  show(<RunnerComponents />, { target });
  await eventually(() => screen.getByText('The components cannot be listed'));
  await eventually(() => screen.getByText(/^Connection lost/));
  assert.equal(screen.getAllByText(/^The runner cannot be reached/).length, 2);
});

test('a proxy in between that answers itself', async () => {
  show(<RunnerComponents />, { target: `${given('HUB_URL')}/nowhere` });
  const words = await problemOf(() => document.body);
  assert.match(words, /404/);
});

test('an end without a step that failed', async () => {
  const instance: RunnerInstance = {
    id: NOBODY,
    componentRef: 'Component:default/big',
    status: 'error',
    ports: [],
    startedAt: '2026-01-01T00:00:00.000Z',
    error: 'It needs more',
    errorCode: 'OUT_OF_MEMORY',
    exitCode: 137,
    signal: 'SIGKILL',
    outOfMemory: true,
  };
  show(<RunnerStatus instance={instance} />);
  const words = await problemOf(() => document.body);
  assert.equal(words, 'Out of memoryIt needs moreOUT_OF_MEMORY');
  cleanup();
  show(<RunnerStatus instance={{ ...instance, outOfMemory: false }} />);
  assert.equal(
    await problemOf(() => document.body),
    'Ended by SIGKILLIt needs moreOUT_OF_MEMORY',
  );
});
