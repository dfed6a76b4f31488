/** What comes in pieces: events, characters, lines, and the waits between. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventParser } from '../src/api/sse.js';
import { textOf } from '../src/api/text.js';
import { Pause, backoffMs } from '../src/live/backoff.js';
import { LogBuffer } from '../src/live/LogBuffer.js';

const STREAM =
  ': hello\r\n\r\nevent: instance\r\ndata: {"a":\r\ndata: 1}\r\nid: 7\r\n\r\n' +
  'data:bare\n\nevent: none\n\nevent: last\ndata: lost, as it has no end\n';

test('events are the same wherever the stream was cut', () => {
  for (let cut = 0; cut <= STREAM.length; cut += 1) {
    const parser = new EventParser();
    const events = [
      ...parser.push(STREAM.slice(0, cut)),
      ...parser.push(STREAM.slice(cut)),
    ];
    assert.deepEqual(
      events,
      [
        { event: 'instance', data: '{"a":\n1}' },
        { event: '', data: 'bare' },
      ],
      `cut at ${cut}`,
    );
  }
});

test('a stream of events without an end of line is given up', () => {
  const parser = new EventParser();
  const piece = 'x'.repeat(1024 * 1024);
  assert.throws(() => {
    for (let n = 0; n < 8; n += 1) {
      parser.push(piece);
    }
  }, /without an end/);
});

test('characters of several bytes survive every cut', async () => {
  const bytes = new TextEncoder().encode('aé€😀\n');
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(bytes.slice(0, cut));
        controller.enqueue(bytes.slice(cut));
        controller.close();
      },
    });
    let text = '';
    for await (const piece of textOf(new Response(body))) {
      text += piece;
    }
    assert.equal(text, 'aé€😀\n');
  }
});

test('who stops reading ends the request', async () => {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull: controller => controller.enqueue(new Uint8Array([65])),
    cancel: () => {
      cancelled = true;
    },
  });
  for await (const piece of textOf(new Response(body))) {
    assert.match(piece, /^A+$/);
    break;
  }
  assert.ok(cancelled);
});

function texts(buffer: LogBuffer): string[] {
  return buffer.kept.map(line => line.text);
}

test('a log keeps its last lines, and counts all', () => {
  const buffer = new LogBuffer(3);
  buffer.push('one\ntw');
  assert.deepEqual(texts(buffer), ['one', 'tw']);
  buffer.push('o\nthree\nfour\n');
  assert.deepEqual(texts(buffer), ['two', 'three', 'four']);
  assert.deepEqual(
    buffer.kept.map(line => line.number),
    [2, 3, 4],
  );
  assert.equal(buffer.dropped, 1);
});

test('a log without ends of lines stays small', () => {
  const buffer = new LogBuffer(2);
  for (let n = 0; n < 100; n += 1) {
    buffer.push('y'.repeat(10_000));
  }
  assert.ok(texts(buffer).join('').length < 3 * 16 * 1024);
});

test('colours and overwritten text are not shown', () => {
  const buffer = new LogBuffer(9);
  buffer.push('\u001b[1;32mgreen\u001b[0m\r\n10%\r 50%\r100%\n');
  assert.deepEqual(texts(buffer), ['green', '100%']);
});

test('waits grow, differ, and have an end', () => {
  assert.equal(backoffMs(1, () => 0), 250);
  assert.equal(backoffMs(1, () => 1), 500);
  assert.equal(backoffMs(3, () => 1), 2000);
  assert.equal(backoffMs(1000, () => 1), 30_000);
});

test('a wait ends when it is woken or given up', async () => {
  const long = 10 * 60_000;
  const pause = new Pause();
  const woken = pause.wait(long, new AbortController().signal);
  pause.wake();
  await woken;
  const controller = new AbortController();
  const givenUp = pause.wait(long, controller.signal);
  controller.abort();
  await givenUp;
  await pause.wait(long, controller.signal);
});

test('a signal ends a body that says nothing', async () => {
  const abort = new AbortController();
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    start: controller => controller.enqueue(new TextEncoder().encode('one')),
    cancel: () => {
      cancelled = true;
    },
  });
  const pieces: string[] = [];
  for await (const piece of textOf(new Response(body), abort.signal)) {
    pieces.push(piece);
    setTimeout(() => abort.abort(), 0);
  }
  assert.deepEqual(pieces, ['one']);
  assert.ok(cancelled);
});
