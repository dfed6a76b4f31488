/** The cable between portal and hub is pulled out, and put in again. */
import { closeBrowser } from './browser.js';
import assert from 'node:assert/strict';
import { after, afterEach, test } from 'node:test';
import { screen, within } from '@testing-library/react';
import { RunnerComponents } from '@runnerhub/backstage-plugin-runner';
import { Cable } from './cable.js';
import { button, press, row, start, statusOf, stop } from './page.js';
import { cleanup, eventually, given, show } from './portal.js';

const cables: Cable[] = [];

afterEach(() => {
  cleanup();
  cables.splice(0).forEach(cable => cable.close());
});
after(closeBrowser);

async function throughCable(): Promise<Cable> {
  const cable = await Cable.to(given('HUB_URL'));
  cables.push(cable);
  show(<RunnerComponents />, { target: `${cable.url}/api/runner` });
  await eventually(() => row('Chatty'));
  return cable;
}

function tell(action: 'start' | 'stop', body: object): Promise<Response> {
  return fetch(`${given('HUB_URL')}/api/runner/${action}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
}

test('what others do is seen without a request', async () => {
  const cable = await throughCable();
  await eventually(() =>
    assert.equal(button('Start Component:default/Chatty').disabled, false),
  );
  const requests = cable.attempts;
  const answer = await tell('start', { entityRef: 'component:default/chatty' });
  const { id } = (await answer.json()) as { id: string };
  await statusOf('Chatty', 'Running');
  await tell('stop', { instanceId: id });
  await statusOf('Chatty', 'Stopped');
  assert.equal(cable.attempts, requests, 'the stream told it all');
});

test('a lost connection is told, and comes back by itself', async () => {
  const cable = await throughCable();
  await start('Chatty');
  await statusOf('Chatty', 'Running');
  press('Log of Component:default/Chatty');
  const log = await eventually(() => screen.getByRole('log'));
  await eventually(() => within(log).getByText('to stdout'));

  cable.pull();
  await eventually(() => screen.getByText(/^Connection lost: what is shown/));
  await eventually(() => screen.getByText('The log is incomplete. Trying again.'));
  assert.ok(within(log).getByText('to stdout'), 'what was read stays');
  assert.equal(button('Stop Component:default/Chatty').disabled, true);
  const tried = cable.attempts;
  await eventually(() => assert.ok(cable.attempts > tried, 'it tries again'));

  cable.plug();
  await eventually(() => {
    const told = screen.queryAllByText(/Trying again\.$/).length;
    assert.equal(told, 0, 'nothing is lost any more');
  });
  await eventually(() => screen.getByText('Following'));
  assert.equal(within(log).getAllByText('to stdout').length, 1, 'no line twice');
  await stop('Chatty');
  await statusOf('Chatty', 'Stopped');
  await eventually(() => within(log).getByText('bye'));
});

test('an end that was missed is found out', async () => {
  const cable = await throughCable();
  await start('Chatty');
  await statusOf('Chatty', 'Running');
  cable.pull();
  await eventually(() => screen.getByText(/^Connection lost/));
  const list = await fetch(`${given('HUB_URL')}/api/runner/instances`);
  const { items } = (await list.json()) as { items: { id: string }[] };
  await tell('stop', { instanceId: items.at(-1)?.id });
  assert.ok(within(row('Chatty')).getByText('Running'), 'nobody can know');
  cable.plug();
  press('Try now');
  await statusOf('Chatty', 'Stopped');
});

test('who leaves the page leaves nothing behind', async () => {
  const cable = await throughCable();
  await eventually(() =>
    assert.equal(button('Start Component:default/Chatty').disabled, false),
  );
  cleanup();
  await eventually(() => assert.equal(cable.open, 0, 'connections'));
});
