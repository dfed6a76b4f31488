/*
 * A log: the window with its lines, and the bar above it to search,
 * follow, jump and save.
 */
import {announce, h, replace, setText} from '../dom.js';
import {button, problem} from '../widgets.js';
import {icon} from '../icons.js';
import {number} from '../format.js';
import {act, toast} from '../dialog.js';
import {onKey} from '../keys.js';
import {firstLineOf, Lines} from './lines.js';
import {LogView} from './view.js';
import {Search} from './search.js';

const KEPT = 'runnerhub.log'; /* how this browser likes logs */
const LOOK = 20;

function preferences() {
	try {
		return JSON.parse(localStorage.getItem(KEPT)) ?? {};
	} catch {
		return {};
	}
}

/* #L124 is the line of number 123. */
function lineOfHash() {
	const match = /^#L(\d{1,15})$/.exec(location.hash);

	return match ? Math.max(Number(match[1]) - 1, 0) : null;
}

export class LogPanel {
	/*
	 * source: where it comes from, job_source.js or component_source.js.
	 * stepName(n).
	 */
	constructor(source, stepName, signal) {
		this.source = source;
		this.signal = signal;
		this.stepName = stepName;
		this.liked = preferences();
		this.lines = new Lines((from, limit) => source.lines(from, limit), () => this.changed());
		this.search = new Search((query) => source.search(query), () => this.drawSearch());
		this.view = new LogView({lines: this.lines, stepName, hrefOf: (n) => `${location.pathname}#L${n + 1}`,
			onMove: () => this.drawBar(), onSelect: (n) => this.select(n)});
		this.el = h('section', {class: 'log', 'aria-label': 'Log'}, this.bar(), this.view.el, this.foot());
		this.following = null; /* live, lost, or null: it has ended */
	}

	/* -- the bar ------------------------------------------------------------ */

	bar() {
		this.input = h('input', {type: 'search', placeholder: 'Search the log', 'aria-label': 'Search the log',
			spellcheck: 'false', maxlength: '200', onkeydown: (event) => this.onSearchKey(event),
			onsearch: () => this.input.value === '' && this.runSearch()});
		this.count = h('span', {class: 'log-count', role: 'status'});
		this.exact = this.toggle('Aa', 'Capitals and small letters differ', false, () => this.runSearch());
		this.steps = [button('', () => this.next(-1), {icon: 'up', title: 'Match before (Shift+Enter, N)', kind: 'small'}),
			button('', () => this.next(1), {icon: 'down', title: 'Next match (Enter, n)', kind: 'small'})];
		this.steps.forEach((b) => { b.disabled = true; });
		this.stepWords = h('span', {class: 'log-where cut'});
		this.follow = this.toggle('Follow', 'Stay at the newest line (f)', false, (on) =>
			on ? this.view.toEnd() : this.leaveEnd());
		this.times = this.toggle('Times', 'Show when each line came (t)', this.liked.times, (on) => this.like('times', on));
		this.times.hidden = !this.source.hasTimes;
		this.wrap = this.toggle('Wrap', 'Break long lines (w)', this.liked.wraps, (on) => this.like('wraps', on));
		return h('div', {class: 'log-bar'},
			h('div', {class: 'log-search'}, icon('search'), this.input, this.exact, this.count, this.steps),
			this.stepWords,
			h('div', {class: 'log-tools'}, this.follow, this.times, this.wrap,
				button('Download', () => this.download(), {icon: 'download', kind: 'small', title: 'The whole log as a file'})));
	}

	toggle(text, title, on, fn) {
		const el = h('button', {type: 'button', class: 'button small', title, 'aria-pressed': String(Boolean(on)),
			onclick: () => {
				const now = el.getAttribute('aria-pressed') !== 'true';
				el.setAttribute('aria-pressed', String(now));
				fn(now);
			}}, text);

		return el;
	}

	foot() {
		this.status = h('span', {class: 'log-status'});
		this.newest = h('button', {type: 'button', class: 'log-newest', hidden: true, onclick: () => this.view.toEnd()},
			icon('newest'), 'Jump to newest');
		this.chosen = h('span', {class: 'log-chosen', hidden: true});
		return h('div', {class: 'log-foot'}, this.status, this.chosen, this.newest);
	}

	like(name, on) {
		this.liked[name] = on;
		localStorage.setItem(KEPT, JSON.stringify(this.liked));
		if (name === 'times')
			this.view.setTimes(on);
		else
			this.view.setWraps(on);
	}

	drawBar() {
		const line = this.lines.get(this.view.place.line);
		const atEnd = this.view.sticks;
		const step = line?.step;

		setText(this.stepWords, step === null || step === undefined ? '' : this.stepName(step));
		this.follow.setAttribute('aria-pressed', String(atEnd && this.following !== null));
		this.follow.hidden = this.following === null;
		this.newest.hidden = this.following === null || atEnd;
		setText(this.status, this.statusText());
		this.status.classList.toggle('lost', this.following === 'lost');
	}

	statusText() {
		const lines = `${number(this.lines.total)} ${this.lines.total === 1 ? 'line' : 'lines'}`;

		if (this.following === 'lost')
			return `${lines} – connection lost, trying again`;
		return this.following === 'live' ? `${lines} so far` : lines;
	}

	/* -- what is shown -------------------------------------------------------- */

	async start(running) {
		this.view.attach(this.signal);
		this.view.setTimes(this.source.hasTimes && Boolean(this.liked.times));
		this.view.setWraps(Boolean(this.liked.wraps));
		this.keys();
		addEventListener('hashchange', () => this.toHash(), {signal: this.signal});
		this.following = running ? 'live' : null;
		try {
			await this.lines.begin();
		} catch (error) {
			if (!this.signal.aborted)
				replace(this.el, problem(error, () => this.restart(running)));
			return;
		}
		if (!this.toHash())
			this.first(running || this.source.endsBadly);
		if (running)
			this.followOn();
	}

	/* The whole panel again, in its place. */
	restart(running) {
		const fresh = new LogPanel(this.source, this.stepName, this.signal);

		this.el.replaceWith(fresh.el);
		fresh.start(running);
	}

	/* What goes on, and why it failed, is at the end. */
	first(atEnd) {
		if (atEnd)
			this.view.toEnd();
		else
			this.view.toStart();
	}

	followOn() {
		this.source.follow({
			signal: this.signal,
			onState: (state) => { this.following = state; this.drawBar(); },
			onMore: () => this.more(),
		}).then(() => {
			this.following = null;
			this.view.sticks = false;
			this.changed();
		});
	}

	/* True when no more will come. */
	async more() {
		try {
			return (await this.lines.refresh(this.view.sticks)).complete;
		} catch {
			this.following = 'lost';
			this.drawBar();
			return false;
		}
	}

	changed() {
		this.view.draw();
		this.view.setEmpty(this.emptyText());
		this.drawBar();
		if (this.search.text !== '')
			this.search.more(this.lines.total);
	}

	emptyText() {
		if (this.lines.error !== null)
			return this.lines.error.message;
		if (this.lines.total > 0)
			return null;
		return this.following === null ? this.source.nothing : 'Nothing printed yet.';
	}

	leaveEnd() {
		this.view.sticks = false;
		this.drawBar();
	}

	async toStep(step) {
		const look = async (from) => (await this.source.lines(from, LOOK)).lines;

		try {
			const line = await firstLineOf(step, this.lines.total, look);
			if (line === null)
				toast('This step has printed nothing.');
			else
				this.view.toLine(line);
		} catch (error) {
			toast(error.message, 'bad');
		}
		this.el.scrollIntoView({block: 'nearest'});
	}

	/* -- one line ------------------------------------------------------------ */

	toHash() {
		const line = lineOfHash();

		if (line === null)
			return false;
		this.show(line);
		this.view.toLine(line);
		return true;
	}

	select(n) {
		history.replaceState(null, '', `${location.pathname}${location.search}#L${n + 1}`);
		this.show(n);
	}

	show(n) {
		this.view.mark(n);
		replace(this.chosen, `Line ${number(n + 1)}`,
			button('Copy link', () => copy(location.href), {icon: 'copy', kind: 'small'}),
			button('Copy line', () => copy(this.lines.get(n)?.text.replace(/\r?\n$/, '') ?? ''), {icon: 'copy', kind: 'small'}));
		this.chosen.hidden = false;
	}

	async download() {
		await act(() => this.source.save(), 'Saved');
	}

	/* -- search ---------------------------------------------------------------- */

	onSearchKey(event) {
		if (event.key === 'Enter') {
			event.preventDefault();
			if (this.input.value === this.search.text && this.input.value !== '')
				this.next(event.shiftKey ? -1 : 1);
			else
				this.runSearch();
		} else if (event.key === 'Escape' && this.input.value !== '') {
			event.preventDefault();
			this.input.value = '';
			this.runSearch();
		}
	}

	runSearch() {
		this.jumped = false;
		this.search.start(this.input.value, this.exact.getAttribute('aria-pressed') === 'true');
	}

	drawSearch() {
		const {text, lines, busy, full, error, exact} = this.search;

		if (!this.jumped && lines.length > 0) {
			this.jumped = true;
			this.view.toLine(this.search.go(1, this.view.place.line));
		}
		this.view.setFound({text, exact, line: this.search.line});
		setText(this.count, this.countText());
		this.steps.forEach((b) => { b.disabled = lines.length === 0; });
		if (text !== '' && !busy)
			announce(error !== null ? error.message : `${number(lines.length)}${full ? ' or more' : ''} lines found`);
	}

	countText() {
		const {text, lines, busy, full, error, from, at} = this.search;

		if (text === '')
			return '';
		if (error !== null)
			return error.message;
		const found = `${at >= 0 ? `${number(at + 1)} of ` : ''}${number(lines.length)}${full ? '+' : ''}`;
		return busy ? `${found} … line ${number(from)}` : lines.length === 0 ? 'Nothing found' : found;
	}

	next(step) {
		const line = this.search.go(step, this.view.place.line);

		if (line === null)
			return;
		this.view.toLine(line);
		this.drawSearch();
	}

	keys() {
		const press = (el) => () => !el.hidden && el.click();

		onKey('f', 'Follow the log', press(this.follow), this.signal);
		onKey('t', 'Times of lines', press(this.times), this.signal);
		onKey('w', 'Wrap long lines', press(this.wrap), this.signal);
		onKey('n', 'Next match in the log', () => this.next(1), this.signal);
		onKey('N', 'Match before', () => this.next(-1), this.signal);
		onKey('e', 'End of the log', () => this.view.toEnd(), this.signal);
	}
}

/* Only pages that came by https or from this machine may write the clipboard. */
async function copy(text) {
	try {
		await navigator.clipboard.writeText(text);
		toast('Copied');
	} catch {
		toast('This browser does not let the page copy: the address bar has the link', 'bad');
	}
}
