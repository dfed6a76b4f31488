/*
 * The log of a component's instance, for the panel that shows logs: what the
 * hub still has of it (a few MiB) is read into this page, then followed. The
 * component API tells bytes and not lines, so they are counted and searched
 * here.
 */
import {componentsGet, componentsStream, isOver} from '../component_api.js';

export const TEXT_MAX = 8192;    /* characters of a line that are shown, as the hub does */
export const LINES_MAX = 200000; /* older ones go, many at once */
const FIRST_WAIT_MS = 1000, LAST_WAIT_MS = 20000;

/* -- text to lines (pure) -------------------------------------------------- */

/* Lines of text that comes in pieces; the last one may still grow. */
export class TextLines {
	constructor() {
		this.clear();
	}

	clear() {
		this.lines = [''];
	}

	add(piece) {
		const [first, ...more] = piece.split('\n');

		this.lines[this.lines.length - 1] += first;
		for (const line of more)
			this.lines.push(line);
		if (this.lines.length > LINES_MAX)
			this.lines.splice(0, this.lines.length - LINES_MAX / 2);
	}

	get total() {
		return this.lines.length - (this.lines.at(-1) === '' ? 1 : 0);
	}

	/* from -1: the last ones */
	slice(from, limit) {
		const begin = from < 0 ? Math.max(this.total - limit, 0) : from;

		return this.lines.slice(begin, Math.min(begin + limit, this.total)).map((text, n) => ({n: begin + n, at: null,
			stream: 'stdout', step: null, text: text.slice(0, TEXT_MAX), cut: text.length > TEXT_MAX}));
	}

	search(q, from, limit, exact) {
		const fold = (text) => exact ? text : text.toLowerCase();
		const wanted = fold(q), matches = [];
		let n = from;

		for (; n < this.total && matches.length < limit; n++) {
			const column = fold(this.lines[n]).indexOf(wanted);
			if (column >= 0)
				matches.push({n, at: null, column});
		}
		return {matches, next: n < this.total ? n : null, scanned: n - from};
	}
}

/* -- reading it ------------------------------------------------------------ */

function pause(ms, signal) {
	return new Promise((resolve) => {
		const timer = setTimeout(resolve, ms);
		signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, {once: true});
	});
}

export class ComponentSource {
	constructor(instance, signal) {
		this.at = `/instances/${encodeURIComponent(instance.id)}`;
		this.name = `${instance.componentRef.replace(/[^a-zA-Z0-9._-]+/g, '-')}.log`;
		this.signal = signal;
		this.endsBadly = true; /* what it said last is what one wants to see */
		this.hasTimes = false;
		this.text = new TextLines();
		this.next = null;
		this.nothing = 'This component has printed nothing.';
	}

	async read() {
		const {logs, next} = await componentsGet(`${this.at}/logs`, {query: {build: true}, signal: this.signal});

		this.text.clear();
		this.text.add(logs);
		this.next = next;
	}

	async lines(from, limit) {
		if (this.next === null)
			await this.read();
		return {from, total: this.text.total, complete: false, lines: this.text.slice(from, limit)};
	}

	search({q, from, limit, case: exact}) {
		return this.text.search(q, from, limit, Boolean(exact));
	}

	async save() {
		const place = URL.createObjectURL(new Blob([this.text.lines.join('\n')], {type: 'text/plain'}));

		Object.assign(document.createElement('a'), {href: place, download: this.name}).click();
		setTimeout(() => URL.revokeObjectURL(place), 60000);
	}

	/* Until the instance has ended and all of it is here. */
	async follow({onMore, onState, signal}) {
		let wait = FIRST_WAIT_MS;

		while (!signal.aborted) {
			try {
				onState('live');
				await componentsStream(`${this.at}/logs`, (text) => { this.text.add(text); onMore(); }, signal,
					{query: {follow: true, since: this.next}});
				if (isOver(await componentsGet(this.at, {signal})))
					return;
				wait = FIRST_WAIT_MS;
			} catch (error) {
				if (signal.aborted || error.status === 401 || error.status === 404)
					return;
				onState('lost');
			}
			await pause(wait, signal);
			wait = Math.min(wait * 2, LAST_WAIT_MS);
			await this.read().then(onMore, () => {}); /* how many bytes came is not known: anew */
		}
	}
}
