/* What the catalogs offer, and what of it runs: start, follow and stop it. */
import {act, confirm} from '../dialog.js';
import {componentsGet, componentStart, componentStop, followInstances, isOver, portUrl, progressWords}
	from '../component_api.js';
import {h, replace} from '../dom.js';
import {count} from '../format.js';
import {sparing} from '../fresh.js';
import {icon} from '../icons.js';
import {setQuery, url} from '../router.js';
import {may} from '../session.js';
import {table} from '../table.js';
import {badge, button, empty, field, fill, pageHead} from '../widgets.js';

const PAGES_MAX = 20; /* of the catalog: as many entries as anyone looks through */

/* -- parts that the page of an instance has, too --------------------------- */

/* Five steps as a bar, with the words of the one that it is at. */
export function progressBar(progress) {
	const words = progressWords(progress);

	return h('div', {class: 'steps-bar', role: 'progressbar', 'aria-valuenow': progress.overallProgress,
		'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-valuetext': words, 'aria-label': 'Start'},
	h('span', {class: 'steps-pieces', 'aria-hidden': 'true'},
		progress.steps.map(({status}) => h('i', {class: `piece-${status}`}))),
	h('span', {class: 'quiet'}, words));
}

export function portLinks(instance) {
	return h('span', {class: 'ports'}, instance.ports.map((port) => h('a', {href: portUrl(instance, port),
		target: '_blank', rel: 'noopener noreferrer'}, `:${port}`, h('span', {class: 'unseen'}, ' (opens anew)'))));
}

export async function stopAsking(instance) {
	const starting = instance.status === 'starting';

	if (await confirm({title: `${starting ? 'Give up' : 'Stop'} ${instance.componentRef}?`, danger: true,
		action: starting ? 'Give up' : 'Stop',
		text: starting ? 'Its start is given up; its log stays.' :
			'Its container is ended and removed, with what it wrote; its log stays.'}))
		await act(() => componentStop(instance.id), `${instance.componentRef} is stopped`);
}

export async function start(componentRef) {
	return act(() => componentStart(componentRef), `${componentRef} is starting`);
}

/* -- the catalog ------------------------------------------------------------ */

async function loadCatalog(signal) {
	const all = {items: [], problems: [], total: 0};
	let cursor = null;

	for (let n = 0; n < PAGES_MAX && cursor !== undefined; n++) {
		const {items, problems, total, nextCursor} = await componentsGet('/components', {query: {cursor}, signal});
		all.items.push(...items);
		all.problems = problems ?? all.problems;
		all.total = total;
		cursor = nextCursor;
	}
	return all;
}

const keyOf = (ref) => ref.toLowerCase();

/* A row for each component: with its newest instance, if there was one. What
 * runs but is in no catalog any more has a row, too. */
function rowsOf(catalog, instances) {
	const newest = new Map();

	for (const instance of instances.values()) {
		const known = newest.get(keyOf(instance.componentRef));
		if (!known || isOver(known) || !isOver(instance))
			newest.set(keyOf(instance.componentRef), instance);
	}
	const rows = catalog.items.map((entity) => ({...entity, instance: newest.get(keyOf(entity.componentRef))}));
	const listed = new Set(rows.map((row) => keyOf(row.componentRef)));
	for (const instance of newest.values())
		if (!listed.has(keyOf(instance.componentRef)))
			rows.push({componentRef: instance.componentRef, name: instance.componentRef, owner: instance.owner,
				isGone: true, instance});
	return rows;
}

function matches(row, words) {
	const text = [row.componentRef, row.title, row.description, row.owner, row.system, ...row.tags ?? []]
		.join(' ').toLowerCase();

	return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/* -- rows ------------------------------------------------------------------- */

function nameCell({title, name, componentRef, description, isGone, instance}) {
	const text = h('strong', {dir: 'auto'}, title ?? name);

	return h('div', null, instance ? h('a', {class: 'row-link', href: url(`/components/${instance.id}`)}, text) : text,
		h('div', {class: 'quiet', dir: 'auto'}, componentRef),
		description && h('div', {dir: 'auto'}, description),
		isGone && h('div', {class: 'fault'}, 'in no catalog any more'));
}

function stateCell({instance}) {
	if (!instance)
		return h('span', {class: 'quiet'}, 'never started');
	return h('div', null, badge(instance.status),
		instance.status === 'starting' && instance.deploymentProgress && progressBar(instance.deploymentProgress),
		instance.error && h('div', {class: 'fault few-lines', dir: 'auto', title: instance.error}, instance.error));
}

function actionCell({componentRef, instance, isGone, title, name}) {
	const what = title ?? name;

	if (instance && !isOver(instance))
		return button('Stop', () => stopAsking(instance), {kind: 'small danger', title: `Stop ${what}`});
	return !isGone && button('Start', () => start(componentRef), {kind: 'small primary', title: `Start ${what}`});
}

function columns() {
	return [
		{name: 'Component', cell: nameCell, class: 'main'},
		{name: 'Owner', cell: ({owner}) => h('span', {dir: 'auto'}, owner ?? '–')},
		{name: 'State', cell: stateCell, class: 'wide'},
		{name: 'Addresses', cell: ({instance}) => instance?.status === 'running' ? portLinks(instance) : '–'},
		may('operator') && {name: 'Actions', cell: actionCell, class: 'end'},
	].filter(Boolean);
}

function problems(catalog) {
	return catalog.problems.length > 0 && h('details', {class: 'panel problems'},
		h('summary', null, icon('warning'), ` ${count(catalog.problems.length, 'problem')} of the catalogs`),
		h('ul', null, catalog.problems.map((p) => h('li', {dir: 'auto'},
			h('code', null, [p.file, p.line, p.column].filter(Boolean).join(':')), ' ', p.text))));
}

export default {
	title: 'Components',
	async render(root, {query}, signal) {
		const instances = new Map(), body = h('div');
		const search = h('input', {type: 'search', value: query.get('q') ?? '', spellcheck: 'false',
			placeholder: 'name, owner, tag', oninput() { setQuery({q: search.value}); draw(); }});
		const list = table({caption: 'Components', columns: columns(), key: ({componentRef}) => componentRef,
			empty: () => catalog.items.length > 0 ? empty('No such component', 'None matches these words.') :
				empty('No components', 'RUNNERHUB_CATALOG names the catalogs; docs/COMPONENTS.md begins with an example.')});
		let catalog = null;
		const draw = () => catalog && list.update(rowsOf(catalog, instances)
			.filter((row) => matches(row, search.value.trim())));
		const reload = sparing(async () => {
			await fill(body, async () => {
				catalog = await loadCatalog(signal);
				draw();
				return [problems(catalog), list.el];
			}, signal);
		}, signal);

		replace(root, pageHead('Components', button('Look again', reload, {title: 'Read the catalogs again'})),
			h('form', {class: 'filters', role: 'search', 'aria-label': 'Filter components',
				onsubmit: (e) => e.preventDefault()}, field('Search', search)), body);
		reload();
		followInstances(null, {
			open: () => instances.clear(),
			instance(instance) { instances.set(instance.id, instance); draw(); },
			removed(id) { instances.delete(id); draw(); },
		}, signal);
	},
};
