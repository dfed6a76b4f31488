/* Small things that every page is made of. */
import {add, every, h, replace, setText} from './dom.js';
import {icon, iconOf, toneOf} from './icons.js';
import {ago, count, dateTime, number} from './format.js';

const TIMES_MS = 5000;

/* A state in a word and a picture. */
export function badge(state, text = state) {
	return h('span', {class: `badge tone-${toneOf(state)}`}, iconOf(state), h('span', null, text));
}

/* The head of a page: its h1, words beside it, and buttons. */
export function pageHead(title, ...beside) {
	return h('div', {class: 'page-head'}, h('h1', null, title),
		h('div', {class: 'page-head-beside'}, beside));
}

export function button(text, onclick, {kind = '', icon: name, title, disabled} = {}) {
	return h('button', {type: 'button', class: `button ${kind}`.trim(), onclick, title, disabled,
		'aria-label': text === '' ? title : null}, name ? icon(name) : null, text === '' ? null : h('span', null, text));
}

/* A time that can be read in full by pointing at it. */
export function time(iso, show = ago) {
	return iso ? h('time', {datetime: iso, title: dateTime(iso), 'data-ago': show === ago}, show(iso)) :
		h('span', {class: 'quiet'}, '–');
}

/* What was 5 s ago is 10 s ago now. */
export function keepTimes(signal) {
	every(TIMES_MS, () => document.querySelectorAll('time[data-ago]').forEach((el) =>
		setText(el, ago(el.dateTime))), signal);
}

/* Nothing here: why, and what to do. */
export function empty(title, ...words) {
	return h('div', {class: 'empty'}, h('p', {class: 'empty-title'}, title), h('p', null, words));
}

/* An error in the page, with its code, and a way to try again. */
export function problem(error, retry) {
	return h('div', {class: 'problem', role: 'alert'}, icon('warning'),
		h('div', null, h('p', {class: 'problem-text'}, error.message),
			error.code ? h('p', {class: 'quiet'}, h('code', null, error.code)) : null),
		retry ? button('Try again', retry) : null);
}

/* Pairs of a name and a value; those without a value are left out. */
export function facts(...pairs) {
	return h('dl', {class: 'facts'}, pairs.filter(([, value]) => value !== null && value !== undefined)
		.map(([name, value]) => h('div', null, h('dt', null, name), h('dd', null, value))));
}

/* A figure with its name: returns {el, set(value, note)}. */
export function figure(name) {
	const value = h('span', {class: 'figure-value'}, '–');
	const note = h('span', {class: 'figure-note'});

	return {
		el: h('div', {class: 'figure'}, h('span', {class: 'figure-name'}, name), value, note),
		set(text, more = '') {
			setText(value, text);
			setText(note, more);
		},
	};
}

/* A part of a page with a heading of its own. */
export function panel(title, ...children) {
	return h('section', {class: 'panel', 'aria-label': title}, h('h2', null, title), children);
}

/* Fills el with what load() gives, or with its error and a button to repeat. */
export async function fill(el, load, signal) {
	const again = () => fill(el, load, signal);

	el.setAttribute('aria-busy', 'true');
	try {
		const made = await load();
		if (!signal.aborted)
			replace(el, made);
	} catch (error) {
		if (!signal.aborted)
			replace(el, problem(error, again));
	} finally {
		el.removeAttribute('aria-busy');
	}
	return el;
}

/* Label and control, tied together. */
let fields = 0;
export function field(label, control, hint) {
	const id = control.id || `field-${++fields}`;

	control.id = id;
	const el = h('div', {class: 'field'}, h('label', {for: id}, label), control);
	if (hint) {
		control.setAttribute('aria-describedby', `${id}-hint`);
		add(el, h('p', {class: 'hint', id: `${id}-hint`}, hint));
	}
	return el;
}

export function select(options, value, onchange) {
	return h('select', {onchange}, options.map(([v, text]) =>
		h('option', {value: v, selected: v === value}, text)));
}

/* Page 2 of 7, with links to the others. href(page) */
export function pager({page, totalPages, total}, href, word = 'entry', words = 'entries') {
	const link = (to, text, name, rel) => to >= 1 && to <= totalPages
		? h('a', {class: 'button', href: href(to), rel}, name === 'left' ? icon(name) : null, text,
			name === 'right' ? icon(name) : null)
		: null;

	return h('nav', {class: 'pager', 'aria-label': 'Pages'}, link(page - 1, 'Newer', 'left', 'prev'),
		h('span', {class: 'quiet'}, totalPages > 1 ? `Page ${number(page)} of ${number(totalPages)} · ` : '',
			count(total, word, words)),
		link(page + 1, 'Older', 'right', 'next'));
}
