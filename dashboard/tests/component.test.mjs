import test from 'node:test';
import assert from 'node:assert/strict';
import {portUrl, progressWords} from '../component_api.js';
import {LINES_MAX, TEXT_MAX, TextLines} from '../log/component_source.js';

test('ports are reached where the hub says, else where the page came from', () => {
	assert.equal(portUrl({publicHost: 'apps.example.com'}, 8080, 'hub.local'), 'http://apps.example.com:8080');
	assert.equal(portUrl({}, 8080, 'hub.local'), 'http://hub.local:8080');
	assert.equal(portUrl({publicHost: '2001:db8::1'}, 80, ''), 'http://[2001:db8::1]:80');
	assert.equal(portUrl({}, 80, '[::1]'), 'http://[::1]:80');
});

test('how far a start is', () => {
	const steps = [{type: 'a', title: 'First'}, {type: 'b', title: 'Second'}];

	assert.equal(progressWords({steps, currentStep: 'b'}), 'Second, 2 of 2');
});

test('text in pieces becomes lines', () => {
	const text = new TextLines();

	assert.equal(text.total, 0);
	text.add('one\ntw');
	assert.deepEqual(text.slice(0, 9).map((line) => line.text), ['one', 'tw']);
	text.add('o\n');
	assert.deepEqual(text.slice(0, 9).map((line) => line.text), ['one', 'two']);
	assert.deepEqual(text.slice(-1, 1).map((line) => [line.n, line.text]), [[1, 'two']]);
	text.add('\n\nfive');
	assert.equal(text.total, 5);
	text.clear();
	assert.equal(text.total, 0);
});

test('long lines are cut, and very many give way', () => {
	const text = new TextLines();

	text.add(`${'x'.repeat(TEXT_MAX + 1)}\nshort\n`);
	assert.deepEqual(text.slice(0, 2).map((line) => [line.text.length, line.cut]), [[TEXT_MAX, true], [5, false]]);
	text.add('line\n'.repeat(LINES_MAX));
	assert.ok(text.total <= LINES_MAX / 2 && text.total > LINES_MAX / 3);
});

test('a search goes on where it stopped', () => {
	const text = new TextLines();

	text.add('A needle\nnothing\na NEEDLE and a needle\nneedle\n');
	const all = text.search('needle', 0, 10, false);
	assert.deepEqual(all, {matches: [{n: 0, at: null, column: 2}, {n: 2, at: null, column: 2},
		{n: 3, at: null, column: 0}], next: null, scanned: 4});
	const part = text.search('needle', 0, 2, false);
	assert.equal(part.matches.length, 2);
	assert.deepEqual(text.search('needle', part.next, 2, false).matches.map(({n}) => n), [3]);
	assert.deepEqual(text.search('NEEDLE', 0, 9, true).matches.map(({n}) => n), [2]);
});
