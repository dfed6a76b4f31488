/* One job: how it stands and why, where its time went, its steps and its log. */
import {add, every, h, replace, setText, svg} from '../dom.js';
import {api} from '../api.js';
import {onResume, subscribe} from '../live.js';
import {badge, button, facts, problem, time} from '../widgets.js';
import {icon, iconOf, toneOf} from '../icons.js';
import {act, confirm} from '../dialog.js';
import {dateTime, duration, shortId, ticking} from '../format.js';
import {go, setTitle, url} from '../router.js';
import {may} from '../session.js';
import {phasesOf, placeOfStep, shares} from '../phases.js';
import {CURES} from '../cures.js';
import {JobSource} from '../log/job_source.js';
import {LogPanel} from '../log/panel.js';

const FINAL = new Set(['completed', 'failed', 'cancelled']);
const ACTIVE_MS = 2000; /* steps have no events of their own */

/* -- head ------------------------------------------------------------------- */

async function cancel(job, refresh) {
	if (await confirm({title: 'Cancel this job?', danger: true, action: 'Cancel the job',
		text: 'What runs gets SIGTERM, and a moment later SIGKILL. It is not run again.'}))
		await act(() => api.post(`/api/jobs/${job.id}/cancel`), 'Cancelled');
	refresh();
}

async function retry(job) {
	const made = await act(() => api.post(`/api/jobs/${job.id}/retry`), 'Delegated once more');

	if (made?.delegationId)
		go(url(`/jobs/${made.delegationId}`));
}

function actions(job, refresh) {
	if (!may('operator'))
		return [];
	if (!FINAL.has(job.status))
		return [button(job.cancelRequested ? 'Cancelling…' : 'Cancel', () => cancel(job, refresh),
			{kind: 'danger', disabled: job.cancelRequested})];
	return job.session !== null ? [] : [button('Retry', () => retry(job), job.hasSecrets
		? {disabled: true, title: 'Its secrets went with its end: delegate it again, with them'} : {})];
}

function head(job, refresh) {
	return [
		h('nav', {class: 'crumbs', 'aria-label': 'Where this is'}, h('a', {href: url('/jobs')}, 'Jobs'), icon('right'),
			h('a', {href: url('/jobs', {repository: job.repository})}, job.repository), icon('right'),
			h('span', {class: 'mono'}, shortId(job.id))),
		h('div', {class: 'page-head'}, h('h1', null, job.workflow || job.jobId), badge(job.status),
			h('div', {class: 'page-head-beside'}, actions(job, refresh))),
	];
}

/* Why it waits, or why it ended as it did. */
function explanation(job) {
	const what = job.waiting ?? (job.error || job.code ? {code: job.code, reason: job.error ?? job.reason} : null);

	if (what === null || job.status === 'completed')
		return null;
	const kind = job.waiting ? 'waits' : toneOf(job.status);
	return h('div', {class: `why ${kind}`}, icon(job.waiting ? 'wait' : 'warning'),
		h('div', null, h('p', {class: 'why-words'}, job.waiting ? 'Waits: ' : '', what.reason ?? 'no reason was given'),
			h('p', {class: 'quiet'}, what.code ? [h('code', null, what.code), ' '] : null, CURES[what.code] ?? null)));
}

function details(job) {
	const link = (path, text) => h('a', {href: url(path)}, text);

	return facts(
		['Job', job.jobId === job.workflow ? null : job.jobId],
		['Run', job.attempt > 1 ? `${job.runId}, attempt ${job.attempt}` : job.runId],
		['Delegated', h('time', {datetime: job.createdAt}, dateTime(job.createdAt))],
		['Ended', job.completedAt ? h('time', {datetime: job.completedAt}, dateTime(job.completedAt)) : null],
		['Exit code', job.exitCode === null ? null : h('code', null, job.exitCode)],
		['Runner', job.runnerName || (job.runnerId ? shortId(job.runnerId) : null)],
		['Ref', job.metadata?.ref ? [job.metadata.ref.replace(/^refs\/heads\//, ''), ' ',
			h('span', {class: 'mono quiet'}, (job.metadata.sha ?? '').slice(0, 9))] : null],
		['By', job.metadata?.actor ?? null],
		['Image', job.image ? h('span', {class: 'mono'}, job.image) : null],
		['Container', job.containerId ? h('span', {class: 'mono', title: job.containerId}, job.containerId.slice(0, 12)) : null],
		['Labels', job.labels?.length ? job.labels.join(', ') : null],
		['Starts', job.tries > 1 ? `${job.tries} attempts` : null],
		['Retry of', job.metadata?.retryOf ? link(`/jobs/${job.metadata.retryOf}`, shortId(job.metadata.retryOf)) : null],
		['Session of', job.parentId ? link(`/jobs/${job.parentId}`, shortId(job.parentId)) : null]);
}

/* -- timeline ---------------------------------------------------------------- */

/* The picture says what the list below it says, which is its alternative. */
function timeline(job) {
	const phases = phasesOf(job);
	const widths = shares(phases.map((p) => p.ms));
	let x = 0;
	const bars = phases.map((p, i) => {
		const left = x;
		x += widths[i];
		return svg('rect', {x: left * 1000 + (i > 0 ? 1.5 : 0), y: 0, height: 10, width: Math.max(widths[i] * 1000 - 1.5, 1),
			class: `phase tone-${p.tone}${p.open ? ' open' : ''}`});
	});

	if (phases.length === 0)
		return null;
	return h('figure', {class: 'timeline'},
		svg('svg', {viewBox: '0 0 1000 10', preserveAspectRatio: 'none', class: 'phases', 'aria-hidden': 'true'}, bars),
		h('ul', {class: 'phase-list'}, phases.map((p) => h('li', null,
			h('span', {class: `phase-key tone-${p.tone}`, 'aria-hidden': 'true'}),
			h('span', null, p.name), ' ', h('span', {class: 'num strong'}, p.open ? ticking(p.ms) : duration(p.ms)))),
		job.durations?.totalMs !== null && FINAL.has(job.status)
			? h('li', {class: 'quiet'}, 'All together ', h('span', {class: 'num'}, duration(job.durations.totalMs))) : null));
}

/* -- steps --------------------------------------------------------------------- */

function stepRow(step, index, job, panel) {
	const place = placeOfStep(step, job.steps);
	const failed = step.status === 'failed';
	const width = place && Math.max(place.width * 100, 1.5);
	const bar = place && h('span', {class: `step-bar tone-${toneOf(step.status)}`,
		style: {left: `${Math.min(place.left * 100, 100 - width)}%`, width: `${width}%`}});

	return h('li', {class: `step ${step.status}`},
		h('button', {type: 'button', class: 'step-button', 'data-list-item': true, onclick: () => panel.toStep(index),
			title: step.error ?? null, disabled: !step.startedAt},
		iconOf(step.status), h('span', {class: 'unseen'}, `${step.status}: `),
		h('span', {class: 'step-name'}, step.name || `Step ${index + 1}`),
		failed && step.exitCode !== null && step.exitCode !== undefined
			? h('span', {class: 'step-code tone-bad'}, `exit ${step.exitCode}`) : null,
		h('span', {class: 'step-time num quiet'}, step.startedAt
			? step.completedAt ? duration(step.durationMs) : ticking(Date.now() - Date.parse(step.startedAt)) : ''),
		h('span', {class: 'step-track', 'aria-hidden': 'true'}, bar)));
}

function steps(job, panel) {
	if (!job.steps?.length)
		return null;
	return h('ol', {class: 'steps', 'data-list': true}, job.steps.map((s, i) => stepRow(s, i, job, panel)));
}

/* -- the page ------------------------------------------------------------------- */

function parts(root) {
	const made = {};

	for (const name of ['head', 'reason', 'details', 'timeline', 'body'])
		made[name] = root.appendChild(h('div', {class: `job-${name}`}));
	made.steps = made.body.appendChild(h('div', {class: 'job-steps'}));
	made.log = made.body.appendChild(h('div', {class: 'job-log'}));
	return made;
}

/* Focus stays on the button that is drawn anew. */
function redraw(el, ...children) {
	const focused = [...el.querySelectorAll('button')].indexOf(document.activeElement);

	replace(el, ...children);
	if (focused >= 0)
		el.querySelectorAll('button')[focused]?.focus({preventScroll: true});
}

function draw(made, job, panel, refresh) {
	redraw(made.head, head(job, refresh));
	replace(made.reason, explanation(job));
	replace(made.details, details(job));
	replace(made.timeline, timeline(job));
	redraw(made.steps, steps(job, panel));
	made.body.classList.toggle('with-steps', Boolean(job.steps?.length));
}

export default {
	title: 'Job',
	async render(root, params, signal) {
		const path = `/api/jobs/${encodeURIComponent(params.id)}`;
		let job = await api.get(path, {signal});
		const made = parts(root);
		const panel = new LogPanel(new JobSource(job, signal), (n) => job.steps?.[n]?.name || `Step ${n + 1}`, signal);
		const refresh = async () => {
			try {
				job = await api.get(path, {signal});
				draw(made, job, panel, refresh);
			} catch (error) {
				if (!signal.aborted && error.status === 404)
					replace(root, problem(error));
			}
		};

		setTitle(`${job.workflow || job.jobId} · ${job.repository}`);
		add(made.log, panel.el);
		draw(made, job, panel, refresh);
		panel.start(!FINAL.has(job.status));
		subscribe('*', (event) => event.jobId === params.id && refresh(), signal);
		onResume(refresh, signal);
		every(ACTIVE_MS, () => !FINAL.has(job.status) && document.body.dataset.live === 'live' && refresh(), signal);
	},
};
