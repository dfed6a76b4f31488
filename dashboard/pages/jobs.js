/* Jobs: what was, is and waits; filtered by what stands in the address. */
import {add, every, h, replace, setText} from '../dom.js';
import {api} from '../api.js';
import {onResume, subscribe} from '../live.js';
import {badge, button, empty, field, pageHead, pager, problem, select, time} from '../widgets.js';
import {act, confirm} from '../dialog.js';
import {between, count, duration, shortId, ticking} from '../format.js';
import {setQuery, url} from '../router.js';
import {may} from '../session.js';
import {table} from '../table.js';

const PAGE = 30;
const REFRESH_MS = 1000, TYPED_MS = 300, TICK_MS = 1000;
const FINAL = new Set(['completed', 'failed', 'cancelled']);
const STATUSES = [['', 'Any status'], ['running', 'Running'], ['queued', 'Queued'], ['pending', 'Waits to be tried again'],
	['assigned', 'Starting'], ['completed', 'Completed'], ['failed', 'Failed'], ['cancelled', 'Cancelled']];
const NAMES = ['q', 'status', 'repository', 'runner', 'from', 'to'];

/* -- filters -------------------------------------------------------------- */

function readQuery(query) {
	const filter = Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? '']));

	return {...filter, page: Math.max(1, Math.floor(Number(query.get('page'))) || 1)};
}

function isFiltered(filter) {
	return NAMES.some((name) => filter[name] !== '');
}

function addressOf(filter) {
	return {...filter, page: filter.page > 1 ? filter.page : null};
}

/* As the API calls them. */
function asked({q, status, repository, runner, from, to, page}) {
	return {q, status, repository, runner, startDate: from, endDate: to, page, limit: PAGE};
}

/* onChange({name: value}) */
function filterBar(filter, onChange) {
	let typed = null;
	const soon = (name) => (event) => {
		clearTimeout(typed);
		typed = setTimeout(() => onChange({[name]: event.target.value.trim()}), TYPED_MS);
	};
	const now = (name) => (event) => onChange({[name]: event.target.value});
	const text = (name, label, type, hint) => field(label, h('input', {type, value: filter[name], placeholder: hint,
		spellcheck: 'false', maxlength: '100', oninput: soon(name)}));
	const day = (name, label) => field(label, h('input', {type: 'date', value: filter[name], onchange: now(name)}));
	const words = text('q', 'Search', 'search', 'Repository, workflow or job');

	return h('form', {class: 'filters', role: 'search', 'aria-label': 'Filter jobs', onsubmit: (e) => e.preventDefault()},
		words, field('Status', select(STATUSES, filter.status, now('status'))),
		text('repository', 'Repository', 'text', 'owner/repo'), text('runner', 'Runner', 'text', 'Name'),
		day('from', 'From'), day('to', 'Until'));
}

/* -- rows ------------------------------------------------------------------- */

function nameCell(job) {
	const more = [job.workflow && job.jobId !== job.workflow ? job.jobId : null,
		job.attempt > 1 ? `attempt ${job.attempt}` : null, job.session ? 'session' : null].filter(Boolean).join(' · ');

	return h('div', {class: 'job-name'},
		h('div', null, h('a', {class: 'row-link', href: url(`/jobs/${job.id}`)}, job.workflow || job.jobId),
			more ? h('span', {class: 'quiet'}, ` ${more}`) : null),
		why(job));
}

/* Why it waits or failed. */
function why(job) {
	if (job.waiting)
		return h('div', {class: 'job-why'}, job.waiting.reason);
	if (job.status === 'failed')
		return h('div', {class: 'job-why bad'}, job.error ?? job.reason ?? job.code);
	return null;
}

function ranCell(job) {
	if (FINAL.has(job.status))
		return duration(job.durations?.totalMs ?? between(job.startedAt, job.completedAt));
	const since = job.startedAt ?? job.createdAt;

	return h('span', {class: 'ticks', 'data-since': since, title: job.startedAt ? 'Runs since' : 'Waits since'},
		ticking(between(since)));
}

function columnsFor(refresh) {
	const columns = [
		{name: 'Status', cell: (job) => badge(job.status)},
		{name: 'Job', class: 'wide', cell: nameCell},
		{name: 'Repository', cell: (job) => h('a', {class: 'quiet', href: url('/jobs', {repository: job.repository})}, job.repository)},
		{name: 'Runner', class: 'one-line', cell: (job) => job.runnerName ?? (job.runnerId ? shortId(job.runnerId) : '')},
		{name: 'Delegated', class: 'one-line', cell: (job) => time(job.createdAt)},
		{name: 'Time', cell: ranCell, class: 'right'},
	];

	if (may('operator'))
		columns.push({name: '', label: '', class: 'right', cell: (job) => actionOf(job, refresh)});
	return columns;
}

function actionOf(job, refresh) {
	const named = `${job.workflow || job.jobId} of ${job.repository}`;

	if (!FINAL.has(job.status))
		return button('Cancel', async () => {
			if (await confirm({title: 'Cancel this job?', text: named, action: 'Cancel the job', danger: true}))
				await act(() => api.post(`/api/jobs/${job.id}/cancel`), 'Cancelled');
			refresh();
		}, {kind: 'small danger', disabled: job.cancelRequested, title: `Cancel ${named}`});
	if (job.status === 'completed' || job.session !== null || job.hasSecrets)
		return null;
	return button('Retry', async () => {
		await act(() => api.post(`/api/jobs/${job.id}/retry`), 'Delegated once more');
		refresh();
	}, {kind: 'small', title: `Retry ${named}`});
}

/* -- the list ------------------------------------------------------------------ */

class JobList {
	constructor(root, filter, signal) {
		this.filter = filter;
		this.signal = signal;
		this.bar = h('div', {class: 'filter-box'});
		this.news = h('button', {type: 'button', class: 'held', hidden: true, onclick: () => this.release()});
		this.trouble = h('div');
		this.foot = h('div');
		this.list = table({caption: 'Jobs, newest first', key: (job) => job.id, columns: columnsFor(() => this.refresh()),
			empty: () => this.nothing(), rowClass: (job) => `is-${job.status}`});
		this.list.el.prepend(this.news);
		add(root, pageHead('Jobs'), this.bar, this.trouble, this.list.el, this.foot);
		this.drawBar();
	}

	drawBar() {
		replace(this.bar, filterBar(this.filter, (change) => this.change(change)));
	}

	/* Another filter: into the address, and read. */
	change(change) {
		this.filter = {...this.filter, ...change, page: 1};
		setQuery(addressOf(this.filter));
		this.held = false;
		this.refresh();
	}

	clear() {
		this.change(Object.fromEntries(NAMES.map((name) => [name, ''])));
		this.drawBar();
	}

	nothing() {
		if (isFiltered(this.filter))
			return [empty('No job is like that', 'None matches these filters.'), button('Show all', () => this.clear())];
		return empty('No job yet', 'Delegate one: ', h('code', null, 'runnerhub job delegate --step \'hello: echo hello\' --follow'));
	}

	/* Does somebody point at the list, or move in it? */
	isInUse() {
		return this.list.el.matches(':hover') || this.list.el.contains(document.activeElement);
	}

	/* One request at a time; the last wish is always granted. */
	async refresh(byItself = false) {
		if (this.busy) {
			this.again = true;
			return;
		}
		this.busy = true;
		try {
			const filter = this.filter;
			const answer = await api.whole('/api/jobs', {query: asked(filter), signal: this.signal});
			if (filter === this.filter && !this.signal.aborted)
				this.show(answer, byItself);
			else
				this.again = true;
		} catch (error) {
			if (!this.signal.aborted)
				replace(this.trouble, problem(error, () => this.refresh()));
		}
		this.busy = false;
		if (this.again && !this.signal.aborted) {
			this.again = false;
			this.refresh(byItself);
		}
	}

	/* News that would move rows under the pointer wait for a click. */
	show(answer, byItself) {
		const fresh = answer.data.filter((job) => !this.list.has(job.id)).length;

		replace(this.trouble);
		this.answer = answer;
		if (byItself && fresh > 0 && this.isInUse()) {
			answer.data.forEach((job) => this.list.patch(job));
			setText(this.news, `${count(fresh, 'new job')}: show`);
			this.news.hidden = false;
			return;
		}
		this.release();
	}

	release() {
		const {data, pagination} = this.answer;

		this.news.hidden = true;
		this.list.update(data);
		replace(this.foot, data.length > 0 || pagination.page > 1
			? pager(pagination, (page) => url('/jobs', addressOf({...this.filter, page})), 'job', 'jobs') : null);
	}

	/* Behind an event; many at once are one. */
	soon() {
		this.timer ??= setTimeout(() => {
			this.timer = null;
			if (!this.signal.aborted)
				this.refresh(true);
		}, REFRESH_MS);
	}

	tick() {
		for (const el of this.list.el.querySelectorAll('[data-since]'))
			setText(el, ticking(between(el.dataset.since)));
	}
}

export default {
	title: 'Jobs',
	async render(root, params, signal) {
		const jobs = new JobList(root, readQuery(params.query), signal);

		subscribe('job:delegated', () => jobs.soon(), signal);
		subscribe('job:status', () => jobs.soon(), signal);
		onResume(() => jobs.soon(), signal);
		await jobs.refresh();
		every(TICK_MS, () => jobs.tick(), signal);
	},
};
