/*
 * A part of a page that reads something from the hub and keeps it fresh. It
 * says so when it cannot; what was read before stays, marked as old.
 *
 *   freshPanel({title, load, draw, on, every, class, more}, signal)
 *
 * load(signal) gives data, draw(data) elements, or the one that it gave before
 * and has brought up to date itself. It is read again behind events of the
 * types in `on`, every `every` ms, after a gap of the live stream, and by
 * .refresh(); never twice at once, and at most once in GAP_MS. Nothing is
 * drawn anew when the data is the same, and the focus stays where it was.
 */
import {every, h, replace} from './dom.js';
import {shortTime} from './format.js';
import {onResume, subscribe} from './live.js';
import {button, problem} from './widgets.js';

const GAP_MS = 1000;

/* How to find an element again after everything was drawn anew. */
function nameOf(el) {
	return el.dataset?.key ?? el.getAttribute?.('href') ?? null;
}

function replaceKeepingFocus(body, made) {
	const had = body.contains(document.activeElement) ? nameOf(document.activeElement) : null;

	if (made === body.firstChild)
		return;
	replace(body, made);
	if (had === null)
		return;
	for (const el of body.querySelectorAll('a[href], button, input, select, [tabindex]'))
		if (nameOf(el) === had)
			return el.focus({preventScroll: true});
}

/* ask() calls work() soon, but not while it runs, nor within GAP_MS of its end. */
export function sparing(work, signal) {
	let busy = false, wanted = false;

	return async function ask() {
		wanted = true;
		if (busy)
			return;
		busy = true;
		while (wanted && !signal.aborted) {
			wanted = false;
			await work();
			await new Promise((resolve) => setTimeout(resolve, GAP_MS));
		}
		busy = false;
	};
}

function old(error, at, again) {
	return h('p', {class: 'panel-old', role: 'status'},
		`${error.message}. This is of ${shortTime(at)}. `, button('Try again', again, {kind: 'small'}));
}

export function freshPanel(part, signal) {
	const body = h('div', {class: 'panel-body'}, h('p', {class: 'quiet'}, 'Loading…'));
	const trouble = h('div');
	const el = h('section', {class: `panel ${part.class ?? ''}`.trim(), 'aria-label': part.title},
		h('div', {class: 'panel-head'}, h('h2', null, part.title), part.more), trouble, body);
	let drawn = null, at = null;

	function show(data) {
		const text = JSON.stringify(data);

		at = Date.now();
		replace(trouble);
		if (text !== drawn)
			replaceKeepingFocus(body, part.draw(data));
		drawn = text;
	}
	const refresh = sparing(async () => {
		try {
			const data = await part.load(signal);
			if (!signal.aborted)
				show(data);
		} catch (error) {
			if (signal.aborted)
				return;
			if (drawn === null)
				replace(body);
			replace(trouble, drawn === null ? problem(error, () => refresh()) :
				old(error, at, () => refresh()));
		}
	}, signal);

	for (const type of part.on ?? [])
		subscribe(type, refresh, signal);
	onResume(refresh, signal);
	if (part.every)
		every(part.every, refresh, signal);
	else
		refresh();
	return Object.assign(el, {refresh});
}
