/** From the list to a running component, its log, and its end. */
import { PAGE_HOST, closeBrowser } from './browser.js';
import assert from 'node:assert/strict';
import { after, afterEach, test } from 'node:test';
import { fireEvent, screen, within } from '@testing-library/react';
import {
  type RunnerInstance,
  RunnerLinks,
  RunnerPage,
} from '@runnerhub/backstage-plugin-runner';
import { button, press, row, start, statusOf, stop } from './page.js';
import { cleanup, eventually, given, show } from './portal.js';

afterEach(cleanup);
after(closeBrowser);

/** Every text that the steps of the row have had, as a user saw them. */
function watchSteps(name: string): Set<string> {
  const seen = new Set<string>();
  const watched = row(name);
  const look = () => {
    for (const item of watched.querySelectorAll('ol > li')) {
      seen.add(item.textContent ?? '');
    }
  };
  new window.MutationObserver(look).observe(watched, {
    subtree: true,
    childList: true,
    characterData: true,
  });
  return seen;
}

test('the list names what can be run, and nothing else', async () => {
  show(<RunnerPage />);
  await eventually(() => row('Fresh'));
  assert.ok(within(row('Fresh')).getByText('about Fresh'));
  assert.ok(within(row('Fresh')).getByText('group:default/testers'));
  assert.ok(within(row('quiet')).getByText('Not started'));
  assert.ok(screen.queryByText('disabled') === null);
});

test('links lead to the host that the hub was told', async () => {
  const instance: RunnerInstance = {
    id: 'any',
    componentRef: 'Component:default/any',
    status: 'running',
    ports: [8080, 9090],
    startedAt: '2026-01-01T00:00:00.000Z',
    publicHost: 'runs.example',
  };
  const addresses = () =>
    screen.getAllByRole('link').map(link => link.getAttribute('href'));
  show(<RunnerLinks instance={instance} />);
  assert.deepEqual(await eventually(addresses), [
    'http://runs.example:8080',
    'http://runs.example:9090',
  ]);
  cleanup();
  show(<RunnerLinks instance={{ ...instance, publicHost: '2001:db8::7' }} />);
  assert.deepEqual(await eventually(addresses), [
    'http://[2001:db8::7]:8080',
    'http://[2001:db8::7]:9090',
  ]);
});

test('a component from start to stop', async () => {
  show(<RunnerPage />);
  await eventually(() => row('Fresh'));
  const steps = watchSteps('Fresh');
  await start('Fresh');
  await statusOf('Fresh', 'Running');

  // Each of the five was seen, and the build while it was on.
  for (const title of [
    'Downloading Repository',
    'Extracting Files',
    'Building Docker Image',
    'Starting Container',
    'Monitoring Container',
  ]) {
    assert.ok([...steps].some(text => text.includes(title)), title);
  }
  assert.ok(
    [...steps].some(s => /Building Docker Image: in progress/.test(s)),
    [...steps].join('\n'),
  );

  // The link: the host of this page, and the port that answers.
  const port = given('FRESH_PORT');
  const link = within(row('Fresh')).getByRole('link', { name: `:${port}` });
  assert.equal(link.getAttribute('href'), `http://${PAGE_HOST}:${port}`);
  const page = await fetch(`http://127.0.0.1:${port}/`);
  assert.equal(await page.text(), 'page\n');

  // The log of both streams, as it is written.
  press('Log of Component:default/Fresh');
  const log = await eventually(() => screen.getByRole('log'));
  await eventually(() => within(log).getByText('to stdout'));
  await eventually(() => within(log).getByText('to stderr'));
  const controls = screen.getByRole('group', { name: 'Log controls' });
  assert.ok(within(controls).getByText('Following'));

  const ticks = () => within(log).queryAllByText(/^tick /).length;
  const before = ticks();
  await eventually(() => assert.ok(ticks() > before, 'no tick'));

  press('Pause');
  assert.ok(within(controls).getByText('Paused'));
  press('Resume');

  const search = screen.getByRole('searchbox', { name: 'Search the log' });
  fireEvent.change(search, { target: { value: 'STDERR' } });
  await eventually(() => assert.equal(ticks(), 0, 'ticks'));
  assert.ok(within(log).getByText('to stderr'));
  fireEvent.change(search, { target: { value: '' } });

  const saved = await download();
  assert.match(saved.name, /^Component-default-Fresh\.log$/);
  assert.match(saved.text, /to stdout\n/);
  assert.match(saved.text, /to stderr\n/);

  fireEvent.click(screen.getByRole('checkbox', { name: 'Build' }));
  await eventually(() => within(log).getByText(/^Step 1\//));

  // Its end: the last words are in the log, which is complete.
  await stop('Fresh');
  await statusOf('Fresh', 'Stopped');
  await eventually(() => within(controls).getByText('The log is complete'));
  assert.ok(within(log).getByText('bye'));
  assert.equal(button('Start Component:default/Fresh').disabled, false);
});

/** What the button hands to the browser. */
async function download(): Promise<{ name: string; text: string }> {
  const saved: { name: string; blob: Blob }[] = [];
  let blob = new Blob();
  URL.createObjectURL = object => {
    blob = object as Blob;
    return 'blob:log';
  };
  URL.revokeObjectURL = () => undefined;
  window.HTMLAnchorElement.prototype.click = function click() {
    saved.push({ name: this.download, blob });
  };
  press('Download');
  const file = await eventually(() => {
    const [first] = saved;
    assert.ok(first, 'nothing is saved');
    return first;
  });
  return { name: file.name, text: await new Response(file.blob).text() };
}
