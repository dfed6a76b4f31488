/* Runners: how they do, what each runs, and taking one out of service. */
import {api} from '../api.js';
import {act, confirm} from '../dialog.js';
import {h, replace} from '../dom.js';
import {freshPanel} from '../fresh.js';
import {setQuery, url} from '../router.js';
import {may} from '../session.js';
import {table} from '../table.js';
import {badge, button, empty, field, pageHead, pager, select, time} from '../widgets.js';

const LIMIT = 50;
const STATUSES = ['idle', 'busy', 'offline', 'starting', 'stopping'];
const TYPES = ['proxy', 'ephemeral', 'dedicated'];

/* -- filters, kept in the address ------------------------------------------ */

const orAny = (words) => [['', 'any'], ...words.map((word) => [word, word])];

function filters(query, changed) {
	const set = (name) => (event) => {
		query.set(name, event.target.value.trim());
		query.delete('page');
		changed();
	};

	return h('form', {class: 'filters', role: 'search', 'aria-label': 'Filter runners', onsubmit: (e) => e.preventDefault()},
		field('Status', select(orAny(STATUSES), query.get('status') ?? '', set('status'))),
		field('Type', select(orAny(TYPES), query.get('type') ?? '', set('type'))),
		field('Repository', h('input', {type: 'search', value: query.get('repository') ?? '',
			placeholder: 'owner/repo', spellcheck: 'false', onchange: set('repository')})));
}

/* -- what may be done ------------------------------------------------------ */

async function drain(runner) {
	return await confirm({title: `Drain ${runner.name}?`, action: 'Drain',
		text: 'It takes no new job, and goes when it has none.'}) &&
		act(() => api.post(`/api/runners/${runner.id}/drain`), `${runner.name} is draining`);
}

async function remove(runner) {
	const busy = runner.jobId !== null || runner.status === 'busy';
	const text = [busy && 'It runs a job, which ends with it.', runner.made ?
		'Its container and its registration go, too.' : 'Its token is void from then on.'];

	return await confirm({title: `Remove ${runner.name}?`, action: 'Remove', danger: true,
		text: text.filter(Boolean).join(' ')}) &&
		act(() => api.delete(`/api/runners/${runner.id}`, {query: {force: busy || null}}), `${runner.name} is removed`);
}

function actions(runner, then) {
	const one = (text, work, kind = '') => button(text, async () => await work(runner) && then(),
		{kind: `small ${kind}`.trim(), title: `${text} ${runner.name}`});

	return h('span', {class: 'row-actions'}, runner.status !== 'stopping' && one('Drain', drain),
		one('Remove', remove, 'danger'));
}

/* -- rows ------------------------------------------------------------------ */

function name(runner) {
	return h('div', null, h('strong', {dir: 'auto'}, runner.name),
		h('div', {class: 'quiet', dir: 'auto'}, runner.repository ?? runner.organization),
		runner.problem && h('div', {class: 'fault', dir: 'auto'}, runner.problem));
}

function columns(then) {
	return [
		{name: 'Runner', cell: name},
		{name: 'State', cell: ({status}) => badge(status)},
		{name: 'Runs', cell: ({jobId}) => jobId ? h('a', {href: url(`/jobs/${jobId}`)}, 'a session') : '–'},
		{name: 'Heartbeat', cell: ({lastHeartbeat}) => lastHeartbeat ? time(lastHeartbeat) : 'none yet'},
		{name: 'Type', cell: ({type, made}) => made ? `${type}, made by the hub` : type},
		{name: 'Labels', cell: ({labels}) => h('span', {class: 'labels'},
			labels.map((label) => h('span', {class: 'label', dir: 'auto'}, label)))},
		may('operator') && {name: 'Actions', class: 'end', cell: (runner) => actions(runner, then)},
	].filter(Boolean);
}

function nothing(query) {
	return [...query.values()].some(Boolean) ? empty('No such runner', 'None matches these filters.') :
		empty('No runner yet', 'runnerhub runner create starts proxies for a repository; docs/PROXY-RUNNERS.md tells how.');
}

export default {
	title: 'Runners',
	render(root, {query}, signal) {
		const wanted = () => ({status: query.get('status'), type: query.get('type'), repository: query.get('repository'),
			page: Number(query.get('page')) || 1});
		const list = table({caption: 'Runners', columns: columns(() => part.refresh()),
			key: ({id}) => id, empty: () => nothing(query)});
		const pages = h('div'), content = h('div', null, list.el, pages);
		const part = freshPanel({
			title: 'List of runners', class: 'bare', every: 5000,
			load: (s) => api.whole('/api/runners', {signal: s, query: {...wanted(), limit: LIMIT}}),
			draw({data, pagination}) {
				list.update(data);
				replace(pages, pagination.totalPages > 1 && pager(pagination,
					(page) => url('/runners', {...wanted(), page}), 'runner', 'runners'));
				return content;
			},
		}, signal);

		replace(root, pageHead('Runners'), filters(query, () => {
			setQuery(Object.fromEntries(query));
			part.refresh();
		}), part);
	},
};
