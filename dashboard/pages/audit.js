/* Who did what, from where, and what came of it: for admins. */
import {api} from '../api.js';
import {act} from '../dialog.js';
import {h, replace} from '../dom.js';
import {dateTime, number} from '../format.js';
import {go, url} from '../router.js';
import {save} from '../save.js';
import {may} from '../session.js';
import {table} from '../table.js';
import {badge, button, empty, field, fill, pageHead, select, time} from '../widgets.js';

const LIMIT = 50;
const FILTERS = ['actor', 'action', 'object', 'result', 'startDate', 'endDate'];
const RESULTS = [['', 'any'], ['ok', 'ok'], ['refused', 'refused'], ['failed', 'failed']];
const TONES = {ok: 'completed', refused: 'waiting', failed: 'failed'};

const filtersOf = (query) => Object.fromEntries(FILTERS.map((name) => [name, query.get(name)]));

/* -- filters, kept in the address ------------------------------------------ */

function filters(query) {
	const input = (name, type, placeholder) => h('input', {name, type, placeholder, value: query.get(name) ?? '',
		spellcheck: 'false', autocomplete: 'off'});
	const result = select(RESULTS, query.get('result') ?? '');

	result.name = 'result';
	return h('form', {class: 'filters', role: 'search', 'aria-label': 'Filter the audit log', onsubmit(event) {
		event.preventDefault();
		go(url('/audit', Object.fromEntries(new FormData(event.target))));
	}}, field('Who', input('actor', 'search', 'user:ann, key, nobody')),
	field('What', input('action', 'search', 'job.delegate')),
	field('Object', input('object', 'search', 'an id or a name')), field('Result', result),
	field('From', input('startDate', 'date')), field('To', input('endDate', 'date')),
	h('div', {class: 'filter-actions'}, h('button', {type: 'submit', class: 'button primary'}, 'Filter'),
		h('a', {class: 'button plain', href: url('/audit')}, 'Clear')));
}

/* -- rows ------------------------------------------------------------------ */

function detail(row) {
	const pairs = Object.entries(row.detail ?? {});

	return (row.object !== null || pairs.length > 0) && h('div', {class: 'audit-detail'}, row.object && h('div', {dir: 'auto'}, row.object),
		pairs.map(([name, value]) => h('div', {class: 'quiet', dir: 'auto'}, `${name}: ${
			typeof value === 'string' ? value : JSON.stringify(value)}`)));
}

const COLUMNS = [
	{name: 'When', cell: ({at}) => time(at, dateTime)},
	{name: 'Who', cell: ({actor, address}) => h('div', null, h('strong', {dir: 'auto'}, actor),
		h('div', {class: 'quiet'}, address))},
	{name: 'What', cell: ({action}) => h('span', {dir: 'auto'}, action)},
	{name: 'Object', cell: detail, class: 'wide'},
	{name: 'Result', cell: ({result, status}) => h('span', {title: `HTTP ${status}`}, badge(TONES[result], result))},
	{name: 'Row', cell: ({seq, requestId}) => h('span', {class: 'quiet', title: requestId && `Request ${requestId}`}, number(seq))},
];

/* Newest first, whichever way the page was asked for. */
async function load(query, signal) {
	const after = query.get('after');
	const {data, next} = await api.whole('/api/audit', {signal, query: {...filtersOf(query), limit: LIMIT,
		before: query.get('before'), after}});

	if (after)
		data.reverse();
	return {rows: data, next, older: after ? data.at(-1)?.seq ?? Number(after) + 1 : next,
		newer: after ? next && data[0]?.seq : query.get('before') && (data[0]?.seq ?? Number(query.get('before')) - 1)};
}

function pages(query, {older, newer}) {
	const link = (words, where) => h('a', {class: 'button', href: url('/audit', {...filtersOf(query), ...where})}, words);

	return (older || newer) && h('nav', {class: 'pager', 'aria-label': 'Pages'}, newer && [link('Newest', {}),
		link('Newer', {after: newer})], older && link('Older', {before: older}));
}

/* -- the chain ------------------------------------------------------------- */

async function verify(said) {
	const report = await act(() => api.get('/api/audit/verify'), 'The audit log was read');

	if (report)
		replace(said, h('p', {class: `banner ${report.intact ? 'good' : 'bad'}`, role: 'status'}, report.intact ?
			`Intact: ${number(report.rows)} rows, ${number(report.first)} to ${number(report.last)}. ` :
			`Broken at row ${number(report.brokenAt)}: ${report.problem}. `,
		report.head && h('code', {class: 'hash'}, `${report.last}:${report.head}`)));
}

function tools(query, said) {
	const exporting = (format, name) => button(name, () => act(async () => {
		await save('/api/audit/export', `audit.${format === 'csv' ? 'csv' : 'ndjson'}`, {...filtersOf(query), format});
		return {message: 'Exported'};
	}), {icon: 'download', title: `Export what the filters choose, as ${name}`});

	return [button('Verify', () => verify(said), {title: 'Is the log as it was written?'}),
		exporting('json', 'JSON'), exporting('csv', 'CSV')];
}

export default {
	title: 'Audit log',
	render(root, {query}, signal) {
		const said = h('div'), body = h('div');
		const list = table({caption: 'Audit log', columns: COLUMNS, key: ({seq}) => String(seq),
			empty: () => empty('No such row', 'Nothing was noted that these filters choose.')});

		if (!may('admin'))
			return replace(root, pageHead('Audit log'), empty('For admins', 'The audit log is shown to admins.'));
		replace(root, pageHead('Audit log', tools(query, said)), said, filters(query), body);
		return fill(body, async () => {
			const found = await load(query, signal);
			list.update(found.rows);
			return [list.el, pages(query, found)];
		}, signal);
	},
};
