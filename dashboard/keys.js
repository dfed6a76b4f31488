/*
 * The keyboard. `g` and a letter goes to a page, `/` to the search of the page
 * that is shown, `?` shows what there is, arrows (or j and k) move in lists.
 * Nothing of it happens while somebody types.
 */
import {h} from './dom.js';
import {dialog} from './dialog.js';
import {button} from './widgets.js';

const CHORD_MS = 1500;
const own = new Map(); /* of the page that is shown: key -> {fn, text} */

/* A key of the page, until the signal. */
export function onKey(key, text, fn, signal) {
	own.set(key, {fn, text});
	signal.addEventListener('abort', () => {
		if (own.get(key)?.fn === fn)
			own.delete(key);
	});
}

function types(el) {
	return el.closest?.('input, textarea, select, [contenteditable]') &&
		!['checkbox', 'radio', 'button'].includes(el.type);
}

/* The links of the list that the focus is in, or of the first list. */
function moveInList(step) {
	const here = document.activeElement;
	const list = here.closest?.('[data-list]') ?? document.querySelector('main [data-list], main .table tbody');

	if (!list || (here !== document.body && here.tagName !== 'MAIN' && !list.contains(here)))
		return false;
	const links = [...list.querySelectorAll('a.row-link, [data-list-item]')];
	if (links.length === 0)
		return false;
	const at = links.findIndex((link) => link === here || link.closest('tr')?.contains(here));
	const to = at < 0 ? (step > 0 ? 0 : links.length - 1) : at + step;
	links[Math.max(0, Math.min(links.length - 1, to))].focus();
	return true;
}

function help(chords) {
	const row = (keys, text) => h('tr', null, h('td', null, keys.map((k) => [h('kbd', null, k), ' '])),
		h('td', null, text));

	return dialog((done) => ({
		title: 'Keys',
		body: h('table', {class: 'keys'}, h('tbody', null,
			row(['?'], 'This list'),
			row(['/'], 'Search or filter what is shown'),
			row(['↑', '↓'], 'Move in a list; Enter opens'),
			row(['Esc'], 'Close a dialog or leave a field'),
			[...own].map(([key, {text}]) => row([key === ' ' ? 'Space' : key], text)),
			chords.map(({key, text}) => row(['g', key], text)))),
		actions: button('Close', () => done(null), {kind: 'primary'}),
	}));
}

/* chordsNow() -> [{key, text, go}]: who is logged in may change. */
export function startKeys(chordsNow) {
	let chordUntil = 0;

	addEventListener('keydown', (event) => {
		if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey ||
		    document.querySelector('dialog[open]'))
			return;
		if (types(event.target)) {
			if (event.key === 'Escape')
				event.target.blur();
			return;
		}
		if (use(event, chordsNow(), event.timeStamp < chordUntil)) {
			event.preventDefault();
			chordUntil = 0;
		} else {
			chordUntil = event.key === 'g' ? event.timeStamp + CHORD_MS : 0;
		}
	});
}

function use(event, chords, inChord) {
	if (inChord) {
		const chord = chords.find(({key}) => key === event.key);
		chord?.go();
		return Boolean(chord);
	}
	if (own.has(event.key)) {
		own.get(event.key).fn();
		return true;
	}
	if (event.key === '?') {
		help(chords);
		return true;
	}
	if (event.key === '/') {
		const search = document.querySelector('main [type=search]');
		search?.focus();
		search?.select();
		return Boolean(search);
	}
	if (event.target.closest?.('[data-own-keys]'))
		return false;
	if (event.key === 'ArrowDown' || event.key === 'j')
		return moveInList(1);
	return (event.key === 'ArrowUp' || event.key === 'k') && moveInList(-1);
}
