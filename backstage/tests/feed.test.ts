/** The live list at a server that does what a good hub does not. */
import assert from 'node:assert/strict';
import {
  type IncomingMessage,
  type ServerResponse,
  createServer,
} from 'node:http';
import { test } from 'node:test';
import { RunnerClient } from '../src/api/RunnerClient.js';
import { InstancesFeed } from '../src/live/InstancesFeed.js';

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

interface Lab {
  feed: InstancesFeed;
  /** How often a path was asked for. */
  asked: Map<string, number>;
  until: (check: () => boolean) => Promise<void>;
}

function instance(id: string, status = 'stopped'): string {
  return JSON.stringify({ id, componentRef: `Component:default/${id}`, status });
}

/** Answers each path as told, while the body looks at the feed. */
async function withServer(
  answers: Record<string, Answer>,
  body: (lab: Lab) => Promise<void>,
): Promise<void> {
  const asked = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    asked.set(path, (asked.get(path) ?? 0) + 1);
    const missing: Answer = r => r.writeHead(404).end();
    (answers[path] ?? missing)(response, request);
  });
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  assert.ok(typeof address === 'object' && address);
  const base = `http://127.0.0.1:${address.port}`;
  const api = new RunnerClient({
    discoveryApi: { getBaseUrl: async () => base },
    fetchApi: { fetch },
  });
  const feed = new InstancesFeed(api);
  const waiting = new Set<() => void>();
  const leave = feed.subscribe(() => waiting.forEach(look => look()));
  const until = (check: () => boolean) =>
    new Promise<void>(resolve => {
      const look = () => {
        if (check()) {
          waiting.delete(look);
          resolve();
        }
      };
      waiting.add(look);
      look();
    });
  try {
    await body({ feed, asked, until });
  } finally {
    leave();
    server.closeAllConnections();
    server.close();
  }
}

function list(...ids: string[]): Answer {
  return response => {
    response.setHeader('Content-Type', 'application/json');
    response.end(`{"items":[${ids.map(id => instance(id)).join(',')}]}`);
  };
}

function ids(feed: InstancesFeed): string {
  return feed
    .getSnapshot()
    .instances.map(i => `${i.id} ${i.status}`)
    .join(', ');
}

test('what the hub has forgotten goes', async () => {
  const events: Answer = response => {
    response.write(`event: instance\ndata: ${instance('b', 'running')}\n\n`);
    response.write('event: removed\ndata: {"id":"a"}\n\n');
    response.write(`event: instance\ndata: ${instance('c', 'starting')}\n\n`);
  };
  await withServer(
    { '/events': events, '/instances': list('a', 'b') },
    async ({ feed, until }) => {
      await until(() => ids(feed) === 'b running, c starting');
      assert.equal(feed.getSnapshot().connection, 'live');
    },
  );
});

test('without a stream of events the list is asked for', async () => {
  await withServer({ '/instances': list('a') }, async ({ feed, until }) => {
    await until(() => feed.getSnapshot().connection === 'polling');
    assert.equal(ids(feed), 'a stopped');
  });
});

test('a stream that ends at once is told, and is not stormed', async () => {
  const answers = {
    '/events': (r: ServerResponse) => void r.end(': hello\n\n'),
    '/instances': list('a'),
  };
  const begun = Date.now();
  await withServer(answers, async ({ feed, asked, until }) => {
    await until(() => (asked.get('/events') ?? 0) >= 4);
    await until(() => feed.getSnapshot().connection === 'lost');
    assert.match(feed.getSnapshot().problem?.message ?? '', /has ended/);
    assert.ok(Date.now() - begun >= 250 + 500 + 1000, 'each wait is longer');
  });
});

test('an answer that is none of a hub is a problem, not an end', async () => {
  const answers = {
    '/events': (r: ServerResponse) =>
      void r.writeHead(502).end('<h1>Bad gateway</h1>'),
    '/instances': list('a'),
  };
  await withServer(answers, async ({ feed, until }) => {
    await until(() => feed.getSnapshot().connection === 'lost');
    const words = feed.getSnapshot().problem?.message;
    assert.equal(words, 'The answer is 502 Bad Gateway: <h1>Bad gateway</h1>');
  });
});

test('a page in the background has no connection', async () => {
  const background = Object.assign(new EventTarget(), { hidden: false });
  Object.defineProperty(globalThis, 'document', {
    value: background,
    configurable: true,
  });
  const turn = (hidden: boolean) => {
    background.hidden = hidden;
    background.dispatchEvent(new Event('visibilitychange'));
  };
  let gone: () => void = () => undefined;
  const left = new Promise<void>(resolve => {
    gone = resolve;
  });
  const answers = {
    '/events': (response: ServerResponse, request: IncomingMessage) => {
      request.on('close', gone);
      response.write(': hello\n\n');
    },
    '/instances': list('a'),
  };
  try {
    await withServer(answers, async ({ feed, asked, until }) => {
      await until(() => feed.getSnapshot().connection === 'live');
      turn(true);
      await left;
      assert.equal(feed.getSnapshot().connection, 'connecting');
      turn(false);
      await until(() => feed.getSnapshot().connection === 'live');
      assert.equal(asked.get('/events'), 2);
      assert.equal(ids(feed), 'a stopped');
    });
  } finally {
    Reflect.deleteProperty(globalThis, 'document');
  }
});

test('nobody looks, nobody asks', async () => {
  let gone: () => void = () => undefined;
  const left = new Promise<void>(resolve => {
    gone = resolve;
  });
  const events: Answer = (response, request) => {
    request.on('close', gone);
    response.write(': hello\n\n');
  };
  const answers = { '/events': events, '/instances': list('a') };
  await withServer(answers, async ({ feed, until }) => {
    await until(() => feed.getSnapshot().connection === 'live');
    const second = feed.subscribe(() => undefined);
    second();
    assert.equal(feed.getSnapshot().connection, 'live');
  });
  await left;
});
