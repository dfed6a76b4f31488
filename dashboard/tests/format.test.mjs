import test from 'node:test';
import assert from 'node:assert/strict';
import {ago, between, bytes, count, duration, number, shortId, ticking} from '../format.js';

test('durations grow in units, not in digits', () => {
	const said = [[0, '0.0 ms'], [0.34, '0.3 ms'], [12, '12 ms'], [999, '999 ms'], [1234, '1.2 s'],
		[9949, '9.9 s'], [9950, '10 s'], [59400, '59 s'], [59600, '1 min 00 s'], [187000, '3 min 07 s'],
		[7500000, '2 h 05 min'], [4 * 3600000 + 3 * 86400000, '3 d 04 h'], [null, '–'], [NaN, '–'], [-5, '0.0 ms']];

	for (const [ms, text] of said)
		assert.equal(duration(ms), text);
	assert.equal(ticking(1999), '1 s');
	assert.equal(ticking(-1), '0 s');
});

test('bytes are of 1024', () => {
	const said = [[0, '0 B'], [1023, '1023 B'], [1536, '1.5 KiB'], [104857600, '100 MiB'], [5e12, '4.5 TiB'], [null, '–']];

	for (const [n, text] of said)
		assert.equal(bytes(n), text);
});

test('numbers', () => {
	assert.equal(number(1234567), '1\u202f234\u202f567');
	assert.equal(number(999), '999');
	assert.equal(count(1, 'job'), '1 job');
	assert.equal(count(0, 'entry', 'entries'), '0 entries');
});

test('how long ago', () => {
	const now = Date.parse('2026-01-01T12:00:00Z');

	assert.equal(ago('2026-01-01T11:59:58Z', now), 'just now');
	assert.equal(ago('2026-01-01T12:00:09Z', now), 'just now', 'a clock that is ahead');
	assert.equal(ago('2026-01-01T11:59:10Z', now), '50 s ago');
	assert.equal(ago('2026-01-01T11:00:01Z', now), '59 min ago');
	assert.equal(ago('2026-01-01T01:00:00Z', now), '11 h ago');
	assert.match(ago('2025-11-01T12:00:00Z', now), /^2025-1[01]-\d\d$/);
	assert.equal(between('2026-01-01T11:59:58Z', null, now), 2000);
	assert.equal(between(null, null, now), null);
	assert.equal(shortId('01a1ff8b-473b-75c1-bcf4-c0460e20c49c'), '0e20c49c');
});
