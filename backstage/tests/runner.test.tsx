/** From the list to a running component, its log, and its end. */
import { PAGE_HOST, closeBrowser } from './browser.js';
import assert from 'node:assert/strict';
import { after, afterEach, test } from 'node:test';
import { fireEvent, screen, within } from '@testing-library/react';
import { RunnerComponents } from '@runnerhub/backstage-plugin-runner';
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
  show(<RunnerComponents />);
  await eventually(() => row('Chatty'));
  assert.ok(within(row('Chatty')).getByText('about Chatty'));
  assert.ok(within(row('Chatty')).getByText('group:default/testers'));
  assert.ok(within(row('Chatty')).getByText('Not started'));
  assert.equal(screen.queryByText('disabled'), null);
});

test('a component from start to stop', async () => {
  show(<RunnerComponents />);
  await eventually(() => row('Chatty'));
  const steps = watchSteps('Chatty');
  await start('Chatty');
  await statusOf('Chatty', 'Running');

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
  const port = given('CHATTY_PORT');
  const link = within(row('Chatty')).getByRole('link', { name: `:${port}` });
  assert.equal(link.getAttribute('href'), `http://${PAGE_HOST}:${port}`);
  const page = await fetch(`http://127.0.0.1:${port}/`);
  assert.equal(await page.text(), 'page\n');

  // The log of both streams, as it is written.
  press('Log of Component:default/Chatty');
  const log = await eventually(() => screen.getByRole('log'));
  await eventually(() => within(log).getByText('to stdout'));
  await eventually(() => within(log).getByText('to stderr'));
  const controls = screen.getByRole('group', { name: 'Log controls' });
  assert.ok(within(controls).getByText('Following'));

  const ticks = () => within(log).queryAllByText(/^tick /).length;
  const before = ticks();
  await eventually(() => assert.ok(ticks() > before));

  press('Pause');
  assert.ok(within(controls).getByText('Paused'));
  press('Resume');

  const search = screen.getByRole('searchbox', { name: 'Search the log' });
  fireEvent.change(search, { target: { value: 'STDERR' } });
  await eventually(() => assert.equal(ticks(), 0));
  assert.ok(within(log).getByText('to stderr'));
  fireEvent.change(search, { target: { value: '' } });

  const saved = await download();
  assert.match(saved.name, /^Component-default-Chatty\.log$/);
  assert.match(saved.text, /to stdout\n/);
  assert.match(saved.text, /to stderr\n/);

  fireEvent.click(screen.getByRole('checkbox', { name: 'Build' }));
  await eventually(() => within(log).getByText(/^Step 1\//));

  // Its end: the last words are in the log, which is complete.
  await stop('Chatty');
  await statusOf('Chatty', 'Stopped');
  await eventually(() => within(controls).getByText('The log is complete'));
  assert.ok(within(log).getByText('bye'));
  assert.equal(button('Start Component:default/Chatty').disabled, false);
});

/** What the button hands to the browser. */
async function download(): Promise<{ name: string; text: string }> {
  const blobs: Blob[] = [];
  const names: string[] = [];
  URL.createObjectURL = blob => {
    blobs.push(blob as Blob);
    return 'blob:log';
  };
  URL.revokeObjectURL = () => undefined;
  document.body.addEventListener(
    'click',
    event => {
      if (event.target instanceof window.HTMLAnchorElement) {
        names.push(event.target.download);
        event.preventDefault();
      }
    },
    { once: true, capture: false },
  );
  await Promise.resolve();
  press('Download');
  const blob = await eventually(() => {
    assert.equal(blobs.length, 1);
    return blobs[0];
  });
  const reader = await new Response(blob).text();
  return { name: names.at(-1) ?? '', text: reader };
}
