/*
 * How the hub stands, at a glance: what runs, what waits and for how long,
 * what went wrong, and whether there is room and an engine. Every figure leads
 * on to the page that tells more.
 */
import {api} from '../api.js';
import {sparkline} from '../chart.js';
import {every, h, replace} from '../dom.js';
import {count, number} from '../format.js';
import {freshPanel, sparing} from '../fresh.js';
import {onResume, subscribe} from '../live.js';
import {lastDay, RESULTS} from '../monitoring.js';
import {url} from '../router.js';
import {badge, empty, pageHead, time} from '../widgets.js';
import {makeTiles} from './overview_tiles.js';

const LISTED = 8;
const JOB_EVENTS = ['job:delegated', 'job:status'];

/* -- figures --------------------------------------------------------------- */

function queueBanner({queue, engine}) {
	const words = [];

	if (queue.draining)
		words.push('The queue is draining: what runs ends, and new jobs are refused.');
	else if (queue.paused)
		words.push('The queue is paused: jobs are taken, and none starts.');
	if (!engine.up)
		words.push('The container engine does not answer: jobs wait until it does.');
	return words.map((text) => h('p', {class: 'banner', role: 'status'}, text, ' ',
		h('a', {href: url('/system')}, 'More')));
}

function figures(signal) {
	const tiles = makeTiles(), banner = h('div');
	let up = null;
	/* One that cannot be read keeps its figure; the bar above tells of it. */
	const refresh = sparing(() => Promise.allSettled([
		api.get('/api/system', {signal}).then((system) => {
			tiles.showSystem(system);
			replace(banner, queueBanner(system));
		}), tiles.readRunners(signal), tiles.readComponents(signal)]), signal);

	subscribe('metrics', (event) => {
		tiles.showLoad(event);
		if (up !== null && up !== event.engineUp)
			refresh();
		up = event.engineUp;
	}, signal);
	onResume(refresh, signal);
	every(15000, refresh, signal);
	return [banner, tiles.el];
}

/* -- lists of jobs --------------------------------------------------------- */

function jobLine(job, beside, below) {
	return h('li', null, h('a', {class: 'job-line', href: url(`/jobs/${job.id}`), 'data-key': job.id, 'data-list-item': true},
		badge(job.status), h('span', {class: 'line-name', dir: 'auto'}, h('strong', null, job.repository), ' ',
			h('span', {class: 'quiet'}, [job.workflow, job.jobId].filter(Boolean).join(' · ')))),
	h('span', {class: 'job-beside'}, beside), below);
}

function list({jobs, total}, query, line) {
	return [h('ul', {class: 'lines', 'data-list': true}, jobs.map(line)),
		total > jobs.length && h('p', null, h('a', {href: url('/jobs', query)}, `All ${number(total)}`))];
}

async function read(query, signal) {
	const {data, pagination} = await api.whole('/api/jobs', {query: {limit: LISTED, ...query}, signal});

	return {jobs: data, total: pagination.total, pages: pagination.totalPages};
}

/* '' when there is none, or it cannot be had. */
async function lastLine(job, signal) {
	try {
		const {lines} = await api.get(`/api/jobs/${job.id}/logs/lines`, {query: {from: -1, limit: 1}, signal});
		return lines.at(-1)?.text ?? '';
	} catch {
		return '';
	}
}

async function readRunning(signal) {
	const found = await read({status: 'running'}, signal);
	const lines = await Promise.all(found.jobs.map((job) => lastLine(job, signal)));

	return {...found, jobs: found.jobs.map((job, n) => ({...job, line: lines[n]}))};
}

/* The API lists the newest first: the oldest are on the last page. */
async function readWaiting(signal) {
	const found = await read({status: 'queued'}, signal);
	const oldest = found.pages > 1 ? await read({status: 'queued', page: found.pages}, signal) : found;

	return {total: found.total, jobs: oldest.jobs.reverse()};
}

/* What is no text of a line: sequences and characters that steer a terminal. */
function plain(text) {
	return text.replace(/\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)/g, '')
		.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '');
}

function drawRunning(found) {
	if (found.jobs.length === 0)
		return empty('Nothing runs', 'Jobs appear here as soon as they start.');
	return list(found, {status: 'running'}, (job) => jobLine(job, time(job.startedAt),
		job.line.trim() !== '' && h('code', {class: 'last-line', dir: 'auto'}, plain(job.line))));
}

function drawWaiting(found) {
	if (found.jobs.length === 0)
		return empty('Nobody waits', 'What is delegated starts at once while there is room.');
	return list(found, {status: 'queued'}, (job) => jobLine(job, time(job.createdAt),
		job.waiting && h('span', {class: 'wait-reason'}, job.waiting.reason)));
}

function drawFailed(found) {
	if (found.jobs.length === 0)
		return empty('No failed job', 'Of all that the hub remembers, none has failed.');
	return list(found, {status: 'failed'}, (job) => jobLine(job, time(job.completedAt),
		h('span', {class: 'fault', dir: 'auto'}, job.error ?? job.code)));
}

/* -- the last day ---------------------------------------------------------- */

function drawDay({points}) {
	const sum = (key) => points.reduce((all, point) => all + point[key], 0);
	const [done, bad, off] = [sum('completed'), sum('failed'), sum('cancelled')];

	return h('a', {class: 'day', href: url('/system')},
		sparkline({points, series: RESULTS}, 'Jobs that ended, over the last 24 hours'),
		h('span', null, `${count(done + bad + off, 'job')} ended: ${number(done)} completed, ${number(bad)} failed, ${number(off)} cancelled`));
}

export default {
	title: 'Overview',
	render(root, params, signal) {
		replace(root, pageHead('Overview'), figures(signal), h('div', {class: 'panels'}, h('div', null,
			freshPanel({title: 'Running', load: readRunning, draw: drawRunning, on: JOB_EVENTS, every: 5000}, signal),
			freshPanel({title: 'Waiting, oldest first', load: readWaiting, draw: drawWaiting, on: JOB_EVENTS, every: 15000}, signal)),
		h('div', null,
			freshPanel({title: 'Last 24 hours', load: (s) => lastDay(s, 1800), draw: drawDay, every: 60000}, signal),
			freshPanel({title: 'Failed lately', load: (s) => read({status: 'failed'}, s), draw: drawFailed,
				on: ['job:status'], every: 60000}, signal))));
	},
};
