/* The hub itself: its queue, engine, disk and store, and how the last day went. */
import {api} from '../api.js';
import {chart} from '../chart.js';
import {act, confirm} from '../dialog.js';
import {h, replace} from '../dom.js';
import {bytes, dateTime, duration, number, percent, ticking} from '../format.js';
import {freshPanel} from '../fresh.js';
import {lastDay, RESULTS} from '../monitoring.js';
import {may} from '../session.js';
import {badge, button, empty, facts, pageHead, time} from '../widgets.js';

/* -- the queue ------------------------------------------------------------- */

const ACTS = {
	pause: {name: 'Pause', said: 'The queue is paused', title: 'Pause the queue?',
		text: 'What runs goes on. Jobs are taken and wait; none starts until you resume.'},
	resume: {name: 'Resume', said: 'The queue is open', title: 'Resume the queue?',
		text: 'Jobs that wait start as there is room.'},
	drain: {name: 'Drain', said: 'The queue is draining', title: 'Drain the queue?', danger: true,
		text: 'What runs ends, and nothing else starts until you resume: for an upgrade of the hub or its machine.'},
};

async function change(name, refresh) {
	const {said, title, text, danger} = ACTS[name];

	if (await confirm({title, text, action: ACTS[name].name, danger}) &&
	    await act(() => api.post(`/api/queue/${name}`), said))
		refresh();
}

function queueButtons({paused, draining}, refresh) {
	const names = [paused && 'resume', (!paused || draining) && 'pause', !draining && 'drain'].filter(Boolean);

	return may('admin') && h('div', {class: 'row-actions'}, names.map((name) =>
		button(ACTS[name].name, () => change(name, refresh),
			{kind: name === 'resume' ? 'primary' : '', title: ACTS[name].title.slice(0, -1)})));
}

function drawQueue(queue, refresh) {
	const state = queue.draining ? 'draining' : queue.paused ? 'paused' : 'open';

	return [facts(['State', badge(state === 'open' ? 'ready' : 'waiting', state)],
		['Since', queue.since && state !== 'open' ? time(queue.since, dateTime) : null],
		['Waiting', number(queue.waiting)], ['Running', `${number(queue.running)} of ${number(queue.capacity)}`],
		['Oldest wait', queue.oldestWaitSeconds === null ? null : ticking(queue.oldestWaitSeconds * 1000)]),
	shares(queue.byRepository), queueButtons(queue, refresh)];
}

function shares(list) {
	return list.length > 0 && h('table', {class: 'small-table'},
		h('caption', {class: 'unseen'}, 'The queue by repository'),
		h('thead', null, h('tr', null, ['Repository', 'Waiting', 'Running'].map((name, n) =>
			h('th', {scope: 'col', class: n > 0 && 'right'}, name)))),
		h('tbody', null, list.map(({repository, waiting, running}) => h('tr', null,
			h('td', {dir: 'auto'}, repository), h('td', {class: 'right'}, number(waiting)),
			h('td', {class: 'right'}, number(running))))));
}

/* -- the hub --------------------------------------------------------------- */

function group(name, ...pairs) {
	return h('section', {class: 'panel', 'aria-label': name}, h('h2', null, name), facts(...pairs));
}

function engineGroup({engine, isolation}) {
	return group('Engine', ['State', badge(engine.up ? 'ready' : 'error', engine.up ? 'up' : 'down')],
		['Since', time(engine.since, dateTime)], ['Why', engine.error],
		['Product', [engine.product, engine.version].filter(Boolean).join(' ') || null],
		['API', engine.apiVersion], ['Address', h('code', null, engine.host)],
		['CPUs', engine.cpus || null], ['Memory', engine.memoryBytes ? bytes(engine.memoryBytes) : null],
		['Networks of jobs', isolation.network],
		['Services of this machine', isolation.hostServicesReachable ?
			h('span', {class: 'fault'}, `can be reached by jobs: ${isolation.reason}`) : 'out of reach of jobs']);
}

function capacityGroup({capacity, pool}) {
	return group('Capacity', ['Slots', `${number(capacity.running)} of ${number(capacity.slots)} in use`],
		['Memory', `${bytes(capacity.memoryReservedBytes)} of ${bytes(capacity.memoryBytes)} reserved`],
		['Sessions nobody drives yet', number(capacity.idleSessions)],
		['Warm containers', pool.wanted > 0 ? `${pool.ready} of ${pool.wanted} ready` : 'none wanted'],
		['Warm starts', pool.hits + pool.misses > 0 ? percent(pool.hits, pool.hits + pool.misses) : null],
		['Trouble', pool.error]);
}

function storeGroup({storage}) {
	return group('Store and disk', ['Disk free', storage.diskFull ?
		badge('error', `${bytes(storage.diskFreeBytes)}: full`) : bytes(storage.diskFreeBytes)],
	['Kept free', bytes(storage.diskReserveBytes)], ['Database', bytes(storage.databaseBytes)],
	['Logs', `${number(storage.logs)}, ${bytes(storage.logBytes)}`],
	['Schema', storage.schemaVersion], ['SQLite', storage.sqliteVersion]);
}

function hubGroup({version, hubId, startedAt, openMode, github}) {
	return group('Hub', ['Version', version], ['Started', time(startedAt, dateTime)],
		['Up for', ticking(Date.now() - new Date(startedAt))], ['Id', h('code', null, hubId)],
		['Access', openMode ? 'open: everybody on this machine' : 'with a login, a token or the API key'],
		...(github ?? []).map((g) => [`GitHub, ${g.host}`, g.blockedUntil ? `blocked until ${dateTime(g.blockedUntil)}` :
			g.remaining !== undefined ? `${number(g.remaining)} of ${number(g.limit)} requests left` : `${number(g.requests)} requests`]));
}

/* -- the last day ---------------------------------------------------------- */

const seconds = (value) => duration(value * 1000);
const WAITS = [{key: 'waitP50', name: 'half wait less', tone: 'active'}, {key: 'waitP95', name: '95 % wait less', tone: 'warn'}];
const DURATIONS = [{key: 'durationP50', name: 'half take less', tone: 'active'}, {key: 'durationP95', name: '95 % take less', tone: 'warn'}];

function drawCharts({points, step}) {
	const each = `in each ${step / 60} minutes`;

	if (points.length < 2)
		return empty('No figures yet', 'They come with the first jobs.');
	return h('div', {class: 'charts'},
		chart({title: `Jobs that ended, ${each}`, points, series: RESULTS, stacked: true, format: number}),
		chart({title: 'Wait for a start', points, series: WAITS, format: seconds, isTime: true}),
		chart({title: 'Duration', points, series: DURATIONS, format: seconds, isTime: true}));
}

export default {
	title: 'System',
	render(root, params, signal) {
		const queue = freshPanel({title: 'Queue', every: 5000, on: ['job:status', 'job:delegated'],
			load: (s) => api.get('/api/queue', {signal: s}), draw: (data) => drawQueue(data, () => queue.refresh())}, signal);

		replace(root, pageHead('System'), queue,
			freshPanel({title: 'Last 24 hours', every: 60000, load: (s) => lastDay(s, 900), draw: drawCharts}, signal),
			freshPanel({title: 'The hub', class: 'bare', every: 10000, load: (s) => api.get('/api/system', {signal: s}),
				draw: (s) => h('div', {class: 'groups'}, engineGroup(s), capacityGroup(s), storeGroup(s), hubGroup(s))}, signal));
	},
};
