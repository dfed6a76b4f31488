import test from 'node:test';
import assert from 'node:assert/strict';
import * as position from '../log/position.js';
import {firstLineOf, Lines, PAGE, PAGES_MAX} from '../log/lines.js';
import {Search} from '../log/search.js';

const same = (h) => () => h;

test('a short list is scrolled pixel by pixel', () => {
	const list = {total: 1000, lineHeight: 20, view: 400};

	assert.equal(position.span(1000, 20), 20000);
	for (const top of [0, 7, 4001, 19600])
		assert.equal(Math.round(position.scrollTopOf(position.placeOf(top, list), list, same(20))), top);
	assert.equal(position.placeOf(50, list).line, 2);
	assert.ok(Math.abs(position.placeOf(50, list).px - 10) < 1e-6);
	assert.deepEqual(position.placeOf(19600, list), {line: 980, px: 0});
	assert.deepEqual(position.placeOf(99999, list), position.placeOf(19600, list));
});

test('a long list fits a span that browsers bear, and all of it is reached', () => {
	for (const total of [1e6, 3e7, 1e9]) {
		const list = {total, lineHeight: 20, view: 400};
		const room = position.span(total, 20) - 400;

		assert.equal(position.span(total, 20), position.SPAN_MAX);
		assert.deepEqual(position.placeOf(0, list), {line: 0, px: 0});
		const end = position.placeOf(room, list);
		assert.equal(end.line, total - 20);
		assert.ok(Math.abs(position.scrollTopOf({line: total / 2 - 10, px: 0}, list, same(20)) - room / 2) < 1);
	}
});

test('small steps are exact however long the list and its lines are', () => {
	const heights = (n) => n % 3 === 0 ? 60 : 20;
	let place = {line: 500000, px: 0};

	for (let i = 0; i < 100; i++)
		place = position.moved(place, 33, 1e6, heights);
	for (let i = 0; i < 100; i++)
		place = position.moved(place, -33, 1e6, heights);
	assert.deepEqual(place, {line: 500000, px: 0});
	assert.deepEqual(position.moved({line: 0, px: 5}, -100, 10, same(20)), {line: 0, px: 0});
	assert.deepEqual(position.moved({line: 9, px: 0}, 1000, 10, same(20)).line, 9);
});

test('the end stands at the bottom', () => {
	assert.deepEqual(position.atEnd({total: 100, view: 50}, same(20)), {line: 97, px: 10});
	assert.deepEqual(position.atEnd({total: 2, view: 500}, same(20)), {line: 0, px: 0});
	assert.deepEqual(position.atEnd({total: 0, view: 500}, same(20)), {line: 0, px: 0});
	assert.deepEqual(position.clamped({line: 99, px: 0}, {total: 100, view: 50}, same(20)), {line: 97, px: 10});
	assert.deepEqual(position.clamped({line: 3, px: 1}, {total: 100, view: 50}, same(20)), {line: 3, px: 1});
	assert.deepEqual(position.around(50, {total: 100, view: 60}, same(20)), {line: 49, px: 0});
	assert.deepEqual(position.around(7, {total: 0, view: 60}, same(20)), {line: 0, px: 0});
});

test('what is drawn does not grow with the list', () => {
	const list = {total: 1e6, view: 400};

	assert.deepEqual(position.window({line: 500, px: 10}, list, same(20), 5), [495, 526]);
	assert.deepEqual(position.window({line: 0, px: 0}, {total: 3, view: 400}, same(20), 5), [0, 3]);
	assert.deepEqual(position.window({line: 999990, px: 0}, list, same(20), 5), [999985, 1000000]);
});

/* A hub with `total` lines, which counts what it is asked. */
function hub(total, step = () => 0) {
	const asked = [];

	return {
		asked,
		total,
		fetch(from, limit) {
			asked.push([from, limit]);
			const first = from < 0 ? Math.max(this.total - limit, 0) : from;
			const lines = [];
			for (let n = first; n < Math.min(first + limit, this.total); n++)
				lines.push({n, step: step(n), text: `line ${n}`});
			return Promise.resolve({from: first, total: this.total, complete: true, lines});
		},
	};
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('lines are fetched by pages, once, and as many are kept as fit', async () => {
	const h = hub(1e6);
	const lines = new Lines((from, limit) => h.fetch(from, limit), () => {});

	await lines.begin();
	assert.equal(lines.total, 1e6);
	assert.equal(lines.get(999999).text, 'line 999999');
	lines.want(1000, 1100);
	lines.want(1000, 1100);
	await settled();
	assert.equal(lines.get(1042).text, 'line 1042');
	assert.deepEqual(h.asked, [[-1, PAGE], [1000, PAGE]]);
	for (let n = 0; n < 2 * PAGES_MAX; n++) {
		lines.want(n * PAGE, n * PAGE + 10);
		await settled();
	}
	assert.ok(lines.pages.size <= PAGES_MAX + 1);
	assert.equal(lines.get(1042), undefined);
	assert.equal(lines.get((2 * PAGES_MAX - 1) * PAGE).n, (2 * PAGES_MAX - 1) * PAGE);
});

test('a log that grows', async () => {
	const h = hub(10);
	const lines = new Lines((from, limit) => h.fetch(from, limit), () => {});

	await lines.begin();
	h.total = 700;
	await lines.refresh();
	assert.deepEqual(h.asked.at(-1), [9, PAGE]);
	assert.equal(lines.total, 700);
	lines.want(200, 300);
	await settled();
	assert.equal(lines.get(299).n, 299);
	lines.want(690, 700);
	await settled();
	assert.equal(lines.get(699).n, 699);
});

test('at the end of a log that rushes one question brings the end', async () => {
	const h = hub(10);
	const lines = new Lines((from, limit) => h.fetch(from, limit), () => {});

	await lines.begin();
	for (h.total of [5000, 20000, 20005]) {
		await lines.refresh(true);
		lines.want(h.total - 50, h.total);
		await settled();
		assert.equal(lines.get(h.total - 1).n, h.total - 1);
	}
	assert.deepEqual(h.asked.map(([from]) => from), [-1, 9, 4750, -1, -1]);
	assert.equal(lines.get(4999), undefined, 'it may have been cut when it was read');
	await lines.refresh(true);
	assert.equal(h.asked.at(-1)[0], 20004);
});

test('an answer with fewer lines than asked for is completed', async () => {
	const h = hub(100);
	const lines = new Lines((from, limit) => h.fetch(from, Math.min(limit, 7)), () => lines.want(0, 100));

	lines.total = 100;
	lines.want(0, 100);
	for (let i = 0; i < 40; i++)
		await settled();
	for (let n = 0; n < 100; n++)
		assert.equal(lines.get(n)?.n, n);
});

test('a hub that is away is asked again after a while, not at once', async () => {
	let asked = 0;
	const put = [];
	const lines = new Lines(() => { asked++; return Promise.reject(new Error('away')); }, () => lines.want(0, 10));

	lines.later = (fn) => put.push(fn);
	lines.total = 10;
	lines.want(0, 10);
	for (let i = 0; i < 10; i++)
		await settled();
	assert.equal(asked, 1);
	assert.equal(lines.error.message, 'away');
	put.shift()();
	await settled();
	assert.equal(asked, 2);
});

test('the first line of a step is found with few questions', async () => {
	const starts = [3, 10, 10, 500000, 999999]; /* step 1 printed nothing */
	const step = (n) => n % 97 === 5 ? null : starts.findLastIndex((s) => n >= s) === -1 ? null
		: starts.findLastIndex((s) => n >= s);
	const h = hub(1e6, step);
	const look = async (from) => (await h.fetch(from, 20)).lines;

	assert.equal(await firstLineOf(0, 1e6, look) <= 3, true);
	assert.equal(await firstLineOf(2, 1e6, look), 10);
	assert.equal(await firstLineOf(1, 1e6, look), 10);
	assert.equal(await firstLineOf(3, 1e6, look), 500000);
	assert.equal(await firstLineOf(4, 1e6, look), 999999);
	assert.equal(await firstLineOf(5, 1e6, look), null);
	assert.ok(h.asked.length < 6 * 22);
});

test('a search goes on until it has looked at all, and later at what came since', async () => {
	let total = 2500;
	const asked = [];
	const ask = ({from}) => {
		asked.push(from);
		const to = Math.min(from + 1000, total);
		const matches = [];
		for (let n = from; n < to; n++)
			if (n % 500 === 0)
				matches.push({n});
		return Promise.resolve({matches, next: to < total ? to : null, scanned: to - from});
	};
	const search = new Search(ask, () => {});

	await search.start('x', false);
	assert.deepEqual(asked, [0, 1000, 2000]);
	assert.deepEqual(search.lines, [0, 500, 1000, 1500, 2000]);
	assert.equal(search.go(1, 700), 1000);
	assert.equal(search.go(1), 1500);
	assert.equal(search.go(-1), 1000);
	assert.equal(search.go(-1), 500);
	total = 3001;
	await search.more(total);
	assert.deepEqual(search.lines, [0, 500, 1000, 1500, 2000, 2500, 3000]);
	assert.equal(search.line, 500);
	await search.start('', false);
	assert.equal(search.go(1, 0), null);
});

test('a search that was replaced says nothing more', async () => {
	const waiting = [];
	const search = new Search(({q}) => new Promise((resolve) => waiting.push({q, resolve})), () => {});
	const first = search.start('a', false);
	const second = search.start('b', false);

	waiting[0].resolve({matches: [{n: 1}], next: null, scanned: 5});
	waiting[1].resolve({matches: [{n: 2}], next: null, scanned: 5});
	await Promise.all([first, second]);
	assert.deepEqual(search.lines, [2]);
});
