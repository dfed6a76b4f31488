import test from 'node:test';
import assert from 'node:assert/strict';
import {highlight, parseLine, plain, visible} from '../ansi.js';

const parts = (line) => parseLine(line).map((p) => [p.text, p.cls]);

test('text stays as it is', () => {
	assert.deepEqual(parts('hello <b>&amp;</b>\tworld'), [['hello <b>&amp;</b>\tworld', '']]);
	assert.deepEqual(parts(''), []);
	assert.deepEqual(parts('👩‍👩‍👧 नमस्ते'), [['👩‍👩‍👧 नमस्ते', '']]);
	assert.deepEqual(parts('from windows\r'), [['from windows', '']]);
});

test('colours and weight become classes', () => {
	assert.deepEqual(parts('a\x1b[31mred\x1b[0mb'), [['a', ''], ['red', 'fg1'], ['b', '']]);
	assert.deepEqual(parts('\x1b[1;4;93;44mx\x1b[22my\x1b[39;49;24mz\x1b[mw'),
		[['x', 'fg11 bg4 bold underline'], ['y', 'fg11 bg4 underline'], ['z', ''], ['w', '']]);
	assert.deepEqual(parts('\x1b[38;5;196mx\x1b[48;2;250;250;250my\x1b[38:2:0:0:0mz'),
		[['x', 'fg1'], ['y', 'fg1 bg15'], ['z', 'fg0 bg15']]);
	assert.deepEqual(parts('\x1b[38;5;9;1mx'), [['x', 'fg9 bold']]);
	assert.deepEqual(parts('\x1b[8mhidden is shown'), [['hidden is shown', '']]);
});

test('what no terminal gives back does no harm', () => {
	for (const bad of ['\x1b[38;5;999mx', '\x1b[38;5mx', '\x1b[38mx', '\x1b[48;2;1mx', '\x1b[;;;;mx', '\x1b[99999999999mx'])
		assert.equal(plain(parseLine(bad)), 'x', JSON.stringify(bad));
});

test('other sequences are dropped', () => {
	for (const seq of ['\x1b[2J', '\x1b[10;5H', '\x1b[?25l', '\x1b[K', '\x1b]0;title\x07', '\x1b]8;;https://evil.example\x1b\\',
		'\x1bPq#0\x1b\\', '\x1b(B', '\x1b7', '\x1b=', '\x1bM', '\x1b[>0q', '\x1b]52;c;aGk=\x07'])
		assert.deepEqual(parts(`a${seq}b`).map(([t]) => t).join(''), 'ab', JSON.stringify(seq));
});

test('a sequence without an end hides nothing', () => {
	assert.equal(plain(parseLine('a\x1b]0;the rest is still there')), 'a^[]0;the rest is still there');
	assert.equal(plain(parseLine('a\x1bPno end')), 'a^[Pno end');
	assert.equal(plain(parseLine('a\x1b[12')), 'a^[[12');
	assert.equal(plain(parseLine('a\x1b')), 'a^[');
	assert.equal(plain(parseLine('a\x1b\x1b[31mb')), 'a^[b');
	assert.equal(plain(parseLine(`\x1b[${'1;'.repeat(500)}mx`)).length > 1000, true);
});

test('what would hide or reorder is made visible', () => {
	assert.equal(visible('\0'), '^@');
	assert.deepEqual(parts('a\u202eb\u2066c\x07d\x7fe\u200bf'), [['a', ''], ['U+202E', 'ctl'], ['b', ''],
		['U+2066', 'ctl'], ['c', ''], ['^G', 'ctl'], ['d', ''], ['^?', 'ctl'], ['e', ''], ['U+200B', 'ctl'], ['f', '']]);
	assert.equal(plain(parseLine('10 %\r20 %\r30 %\r')), '10 %^M20 %^M30 %');
	assert.equal(plain(parseLine('a\u{e0041}b\x9bc\u2028d')), 'aU+E0041bU+009BcU+2028d');
});

test('what is searched is found across colours', () => {
	const hits = (line, what, exact) => highlight(parseLine(line), what, exact)
		.filter((p) => p.hit).map((p) => [p.text, p.cls]);

	assert.deepEqual(hits('an \x1b[31mErr\x1b[32mor here, error there', 'error'),
		[['Err', 'fg1'], ['or', 'fg2'], ['error', 'fg2']]);
	assert.deepEqual(hits('Error error', 'error', true), [['error', '']]);
	assert.deepEqual(hits('aaaa', 'aa'), [['aa', ''], ['aa', '']]);
	assert.deepEqual(hits('İx ERROR', 'error'), [['ERROR', '']]);
	assert.deepEqual(hits('nothing', ''), []);
	for (const line of ['an \x1b[31mErr\x1b[32mor here, error there', 'error', 'xerror'])
		assert.equal(plain(highlight(parseLine(line), 'error')), plain(parseLine(line)));
});
