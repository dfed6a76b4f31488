/*
 * A log of any length in a window: draws the lines that are seen and a few
 * beyond, and nothing else. Knows where the reader is; what the lines are it
 * asks `lines` for (lines.js), the arithmetic is in position.js.
 */
import {h, replace} from '../dom.js';
import {preciseClock} from '../format.js';
import {highlight, parseLine} from '../ansi.js';
import {around, atEnd, clamped, moved, placeOf, scrollTopOf, span, window as toDraw} from './position.js';

const BEYOND = 12;
const SETTLE_MS = 160;
const SHORT = 12; /* lines */
const HEIGHTS_MAX = 20000;

export class LogView {
	/*
	 * options: lines; stepName(n); hrefOf(n) of a line; onMove() when the
	 * reader moved; onSelect(n) when a line's number was chosen.
	 */
	constructor(options) {
		Object.assign(this, options);
		this.place = {line: 0, px: 0};
		this.sticks = false; /* to the end */
		this.marked = null;  /* the line of the address */
		this.found = {text: '', exact: false, line: null};
		this.heights = new Map(); /* of lines that wrap */
		this.rows = new Map();    /* line -> {el, key} */
		this.lastTop = 0;
		this.wraps = false;
		this.inner = h('div', {class: 'log-inner'});
		this.rowsBox = h('div', {class: 'log-rows'}, this.inner);
		this.spacer = h('div', {class: 'log-spacer', 'aria-hidden': 'true'});
		this.el = h('div', {class: 'log-scroll', tabindex: '0', role: 'region', 'aria-label': 'Log',
			'data-own-keys': true, onscroll: () => this.scrolled()}, this.rowsBox, this.spacer);
		this.heightOf = (n) => this.wraps ? this.heights.get(n) ?? this.lineHeight : this.lineHeight;
	}

	/* In the document now. */
	attach(signal) {
		const watch = new ResizeObserver(() => this.measure());

		watch.observe(this.el);
		signal.addEventListener('abort', () => watch.disconnect());
		this.measure();
	}

	measure() {
		const probe = h('div', {class: 'log-line'}, h('span', {class: 'log-text'}, 'x'));
		const width = this.el.clientWidth;

		this.inner.append(probe);
		this.lineHeight = probe.getBoundingClientRect().height || 20;
		probe.remove();
		this.view = this.el.clientHeight;
		if (this.wraps && width !== this.width)
			this.heights.clear();
		this.width = width;
		this.draw();
	}

	list() {
		return {total: this.lines.total, lineHeight: this.lineHeight, view: this.view};
	}

	/* -- moving ---------------------------------------------------------- */

	scrolled() {
		const top = this.el.scrollTop;
		const by = top - this.lastTop;

		if (by === 0)
			return; /* sideways, or where we put it */
		this.lastTop = top;
		const list = this.list();
		const last = span(list.total, list.lineHeight) - list.view;
		if (top <= 0)
			this.place = {line: 0, px: 0};
		else if (top >= last - 1)
			this.place = atEnd(list, this.heightOf);
		else if (Math.abs(by) > list.view * 1.5)
			this.place = placeOf(top, list);
		else
			this.place = moved(this.place, by, list.total, this.heightOf);
		this.sticks = by > 0 && this.isAtEnd();
		this.drawSoon();
		clearTimeout(this.settling);
		this.settling = setTimeout(() => this.settle(), SETTLE_MS);
		this.onMove();
	}

	/* The bar says where the reader is, once it does not move. */
	settle() {
		const top = Math.round(scrollTopOf(this.place, this.list(), this.heightOf));

		if (Math.abs(top - this.el.scrollTop) >= 1)
			this.el.scrollTop = top;
		this.lastTop = this.el.scrollTop;
	}

	isAtEnd() {
		const end = atEnd(this.list(), this.heightOf);

		return this.place.line > end.line || (this.place.line === end.line && this.place.px >= end.px - 2);
	}

	toEnd() {
		this.sticks = true;
		this.draw();
		this.onMove();
	}

	toStart() {
		this.toLine(0);
	}

	toLine(line) {
		this.sticks = false;
		this.place = around(line, this.list(), this.heightOf);
		this.draw();
		this.onMove();
	}

	/* -- drawing --------------------------------------------------------- */

	drawSoon() {
		this.pending ??= requestAnimationFrame(() => {
			this.pending = null;
			this.draw();
		});
	}

	draw() {
		if (!this.view)
			return;
		/* What is drawn may turn out to be higher than was thought. */
		for (let pass = 0; pass < (this.wraps ? 3 : 1); pass++) {
			const list = this.list();
			this.place = this.sticks ? atEnd(list, this.heightOf) : clamped(this.place, list, this.heightOf);
			const [from, to] = toDraw(this.place, list, this.heightOf, BEYOND);
			this.drawRows(from, to);
			if (!this.wraps || !this.measureRows())
				break;
		}
		this.shift();
		const height = Math.max(span(this.lines.total, this.lineHeight) - this.view, 0);
		this.fit();
		this.spacer.style.setProperty('height', `${height}px`);
		this.rowsBox.style.setProperty('height', `${this.view}px`);
		clearTimeout(this.settling);
		this.settling = setTimeout(() => this.settle(), SETTLE_MS);
		if (this.sticks)
			this.settle();
	}

	/* A log that is over and has few lines needs no large window. */
	fit() {
		const lines = this.lines.total;
		const short = this.lines.complete && !this.wraps && lines > 0 && lines <= SHORT;
		const scrollbar = this.el.offsetHeight - this.el.clientHeight;

		this.el.parentNode?.classList.toggle('short', short);
		this.el.style.setProperty('height', short ? `${lines * this.lineHeight + scrollbar}px` : 'auto');
	}

	drawRows(from, to) {
		this.lines.want(from, to);
		for (const [n, row] of this.rows)
			if (n < from || n >= to) {
				row.el.remove();
				this.rows.delete(n);
			}
		let before = null;
		for (let n = from; n < to; n++) {
			const row = this.row(n);
			const next = before === null ? this.inner.firstChild : before.nextSibling;
			if (row !== next)
				this.inner.insertBefore(row, next);
			before = row;
		}
		this.from = from;
	}

	/* The element of a line, made anew only when something of it changed. */
	row(n) {
		const line = this.lines.get(n);
		const stepBefore = n > 0 ? this.lines.get(n - 1)?.step : null;
		const begins = line?.step !== null && line !== undefined && stepBefore !== undefined && stepBefore !== line.step;
		const key = `${line === undefined}|${line?.text.length}|${this.found.text}|${this.found.exact}|` +
			`${this.found.line === n}|${this.marked === n}|${begins}`;
		const old = this.rows.get(n);

		if (old?.key === key)
			return old.el;
		const el = line === undefined ? this.blank(n) : this.drawn(n, line, begins);
		old?.el.replaceWith(el);
		this.rows.set(n, {el, key});
		this.heights.delete(n);
		return el;
	}

	blank(n) {
		return h('div', {class: 'log-line blank'}, this.numberOf(n), h('span', {class: 'log-text'}, '\u00a0'));
	}

	numberOf(n) {
		return h('a', {class: 'log-n', href: this.hrefOf(n), tabindex: '-1', 'aria-label': `Line ${n + 1}`,
			onclick: (event) => {
				event.preventDefault();
				this.onSelect(n);
			}}, n + 1);
	}

	drawn(n, line, begins) {
		const pieces = highlight(parseLine(line.text.replace(/\n$/, '')), this.found.text, this.found.exact);
		const classes = ['log-line', line.stream ?? 'hub'];

		if (begins)
			classes.push('begins');
		if (this.marked === n)
			classes.push('marked');
		if (this.found.line === n)
			classes.push('current');
		return h('div', {class: classes.join(' ')}, this.numberOf(n),
			h('time', {class: 'log-time'}, preciseClock(line.at)),
			h('span', {class: 'log-text', dir: 'ltr'}, pieces.map(({text, cls, hit}) =>
				hit ? h('mark', {class: cls || null}, text) : cls ? h('span', {class: cls}, text) : text),
			line.cut ? h('span', {class: 'ctl'}, '… cut') : null),
			begins ? h('span', {class: 'log-step'}, this.stepName(line.step)) : null);
	}

	/* True when some height was not as thought. */
	measureRows() {
		let changed = false;

		for (const [n, {el}] of this.rows) {
			const height = el.getBoundingClientRect().height;
			if (Math.abs((this.heights.get(n) ?? this.lineHeight) - height) > 0.5)
				changed = true;
			this.heights.set(n, height);
		}
		for (const n of this.heights.keys()) {
			if (this.heights.size <= HEIGHTS_MAX)
				break;
			this.heights.delete(n);
		}
		return changed;
	}

	/* The rows so that the place is at the top. */
	shift() {
		let above = this.place.px;

		for (let n = this.from; n < this.place.line; n++)
			above += this.heightOf(n);
		this.inner.style.setProperty('transform', `translateY(${-above}px)`);
	}

	/* -- how it is shown --------------------------------------------------- */

	redraw() {
		for (const {el} of this.rows.values())
			el.remove();
		this.rows.clear();
		this.draw();
	}

	setWraps(wraps) {
		this.wraps = wraps;
		this.el.classList.toggle('wraps', wraps);
		this.heights.clear();
		this.draw();
	}

	setTimes(shown) {
		this.el.classList.toggle('timed', shown);
		this.heights.clear();
		this.draw();
	}

	setFound(found) {
		this.found = found;
		this.draw();
	}

	mark(n) {
		this.marked = n;
		this.draw();
	}

	/* For a log that says nothing yet. */
	setEmpty(text) {
		const shown = this.el.querySelector('.log-empty');

		if (text === null)
			shown?.remove();
		else if (shown === null)
			this.el.append(h('p', {class: 'log-empty'}, text));
		else
			replace(shown, text);
	}
}
