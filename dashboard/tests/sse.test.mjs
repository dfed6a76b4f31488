import test from 'node:test';
import assert from 'node:assert/strict';
import {eventReader, lineReader} from '../sse.js';

/* In pieces of every size: what arrives together must not matter. */
function everySplit(text, make, check) {
	for (let size = 1; size <= text.length; size++) {
		const got = [];
		const feed = make(got);

		for (let i = 0; i < text.length; i += size)
			feed(text.slice(i, i + size));
		check(got, size);
	}
}

test('events, however they are cut', () => {
	const text = 'retry: 2000\n\n: keep-alive\n\nid: 3\nevent: job:status\ndata: {"a":1}\n\n' +
		'event: metrics\r\ndata: {\r\ndata:  "b":2}\r\n\r\nid: 9\n\nevent: unfinished\ndata: x\n';

	everySplit(text, (got) => eventReader((e) => got.push(e)), (got, size) => {
		assert.deepEqual(got, [{type: 'job:status', id: '3', data: '{"a":1}'},
			{type: 'metrics', id: '3', data: '{\n "b":2}'}], `pieces of ${size}`);
	});
});

test('lines, and one that never ends', () => {
	everySplit('a\nbc\n\nd', (got) => lineReader((l) => got.push(l)),
		(got) => assert.deepEqual(got, ['a', 'bc', '']));
	const feed = lineReader(() => {}, 10);
	assert.throws(() => { feed('0123456'); feed('789ab'); }, RangeError);
});
