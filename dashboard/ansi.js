/*
 * A line that a job printed, as pieces of text with classes. Colours and weight
 * (SGR of ECMA-48 §8.3.117) become classes; every other control sequence is
 * dropped; what would hide, reorder or fake text is made visible. Pure, and the
 * only reader of what jobs print: the result is set as text, never as markup.
 */

const ESC = '\x1b';

/* -- what cannot be seen, made visible ---------------------------------- */

/* Controls, characters that turn the direction of text (UAX #9) or take no
 * room, line separators, and tags. Joiners stay: scripts and emoji need them. */
const HIDDEN = /[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/g;

/* One of them, as people can read it: ^M, or its number. */
export function visible(char) {
	const code = char.codePointAt(0);

	if (code < 0x20 || code === 0x7f)
		return `^${String.fromCharCode(code ^ 0x40)}`;
	return `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
}

function addText(pieces, text, cls) {
	let at = 0;

	for (const match of text.matchAll(HIDDEN)) {
		if (match.index > at)
			pieces.push({text: text.slice(at, match.index), cls});
		pieces.push({text: visible(match[0]), cls: 'ctl'});
		at = match.index + match[0].length;
	}
	if (at < text.length)
		pieces.push({text: text.slice(at), cls});
}

/* -- control sequences ---------------------------------------------------- */

/* At an ESC: where the sequence ends; 'm' for colours; null when it does not
 * end (then the ESC is shown, and so is what follows). */
function sequenceAt(text, at) {
	const next = text[at + 1];

	if (next === '[') { /* CSI: parameters, intermediates, one final */
		const m = /^[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]/.exec(text.slice(at + 2, at + 130));
		return m && {end: at + 2 + m[0].length, sgr: /^[\d;:]*m$/.test(m[0]) ? m[0].slice(0, -1) : null};
	}
	if (next !== undefined && ']PX^_'.includes(next)) { /* strings: until BEL or ST */
		const m = /\x07|\x1b\\/g;
		m.lastIndex = at + 2;
		const end = m.exec(text);
		return end && {end: m.lastIndex, sgr: null};
	}
	if (next !== undefined && '()*+-./ #%'.includes(next) && at + 2 < text.length)
		return {end: at + 3, sgr: null};
	return next !== undefined && /[0-9=>A-Z\\a-z]/.test(next) ? {end: at + 2, sgr: null} : null;
}

/* -- colours ---------------------------------------------------------------- */

const PALETTE = [[0, 0, 0], [205, 49, 49], [13, 188, 121], [229, 229, 16], [36, 114, 200], [188, 63, 188],
	[17, 168, 205], [229, 229, 229], [102, 102, 102], [241, 76, 76], [35, 209, 139], [245, 245, 67],
	[59, 142, 234], [214, 112, 214], [41, 184, 219], [255, 255, 255]];

/* Sixteen classes are enough, and all of them can be read. */
function nearest(r, g, b) {
	let best = 0, least = Infinity;

	PALETTE.forEach(([pr, pg, pb], i) => {
		const d = (r - pr) ** 2 + (g - pg) ** 2 + (b - pb) ** 2;
		if (d < least) {
			least = d;
			best = i;
		}
	});
	return best;
}

function of256(n) {
	if (n < 16)
		return n;
	if (n >= 232)
		return nearest(...Array(3).fill(8 + (n - 232) * 10));
	const level = (v) => v === 0 ? 0 : 55 + v * 40;
	n -= 16;
	return nearest(level(Math.floor(n / 36)), level(Math.floor(n / 6) % 6), level(n % 6));
}

/* 38;5;n and 38;2;r;g;b: the colour (null: none that we know) and how many
 * parameters it took. */
function extended(codes, i) {
	const ok = (n) => n >= 0 && n <= 255;

	if (codes[i + 1] === 5)
		return [ok(codes[i + 2]) ? of256(codes[i + 2]) : null, 2];
	if (codes[i + 1] === 2) {
		const rgb = codes.slice(i + 2, i + 5);
		return [rgb.length === 3 && rgb.every(ok) ? nearest(...rgb) : null, 4];
	}
	return [null, codes.length];
}

const ON = {1: 'bold', 2: 'dim', 3: 'italic', 4: 'underline', 7: 'inverse', 9: 'strike'};
const OFF = {22: ['bold', 'dim'], 23: ['italic'], 24: ['underline'], 27: ['inverse'], 29: ['strike']};

function apply(state, sgr) {
	const codes = sgr.split(/[;:]/, 64).map((n) => n === '' ? 0 : Number(n));

	for (let i = 0; i < codes.length; i++) {
		const c = codes[i];
		if (c === 0) {
			state.fg = state.bg = null;
			state.marks.clear();
		} else if (c in ON) {
			state.marks.add(ON[c]);
		} else if (c in OFF) {
			OFF[c].forEach((m) => state.marks.delete(m));
		} else if (c === 38 || c === 48) {
			const [colour, took] = extended(codes, i);
			state[c === 38 ? 'fg' : 'bg'] = colour;
			i += took;
		} else if (c === 39 || c === 49) {
			state[c === 39 ? 'fg' : 'bg'] = null;
		} else {
			const row = [[30, 'fg', 0], [40, 'bg', 0], [90, 'fg', 8], [100, 'bg', 8]]
				.find(([from]) => c >= from && c < from + 8);
			if (row)
				state[row[1]] = c - row[0] + row[2];
		}
	}
}

function classOf({fg, bg, marks}) {
	return [fg === null ? '' : `fg${fg}`, bg === null ? '' : `bg${bg}`, ...marks].filter(Boolean).join(' ');
}

/* 'text' -> [{text, cls}] */
export function parseLine(line) {
	const text = line.replace(/\r$/, '');
	const state = {fg: null, bg: null, marks: new Set()};
	const pieces = [];
	let from = 0;

	for (let at = text.indexOf(ESC); at >= 0; at = text.indexOf(ESC, at)) {
		const sequence = sequenceAt(text, at);
		if (sequence === null) {
			at++; /* shown with what follows */
			continue;
		}
		addText(pieces, text.slice(from, at), classOf(state));
		if (sequence.sgr !== null)
			apply(state, sequence.sgr);
		from = at = sequence.end;
	}
	addText(pieces, text.slice(from), classOf(state));
	return pieces;
}

export function plain(pieces) {
	return pieces.map((p) => p.text).join('');
}

/* -- what was searched ------------------------------------------------------ */

const lower = (text) => text.replace(/[A-Z]/g, (c) => c.toLowerCase());

/* Pieces cut at each place of `what`; those have hit: true. */
export function highlight(pieces, what, exact = false) {
	const fold = exact ? (t) => t : lower;
	const hay = fold(plain(pieces)), needle = fold(what);
	const cuts = [];

	for (let at = needle === '' ? -1 : hay.indexOf(needle); at >= 0 && cuts.length < 200;
		at = hay.indexOf(needle, at + needle.length))
		cuts.push([at, at + needle.length]);
	if (cuts.length === 0)
		return pieces;
	const out = [];
	let offset = 0, next = 0;
	for (const piece of pieces) {
		let at = 0;
		while (at < piece.text.length) {
			while (next < cuts.length && cuts[next][1] <= offset + at)
				next++;
			const [from, to] = cuts[next] ?? [Infinity, Infinity];
			const hit = offset + at >= from;
			const end = Math.min(piece.text.length, (hit ? to : from) - offset);
			out.push({text: piece.text.slice(at, end), cls: piece.cls, hit});
			at = end;
		}
		offset += piece.text.length;
	}
	return out;
}
