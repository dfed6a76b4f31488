/* Secrets that the hub keeps: their names. Values go in and never come back. */
import {api} from '../../api.js';
import {act, ask, confirm} from '../../dialog.js';
import {h} from '../../dom.js';
import {dateTime} from '../../format.js';
import {freshPanel} from '../../fresh.js';
import {table} from '../../table.js';
import {button, select, time} from '../../widgets.js';

const USES = [['components', 'components'], ['jobs', 'jobs'], ['both', 'jobs and components']];

const path = (name) => `/api/secrets/${encodeURIComponent(name)}`;

/* What is chosen once: a new value leaves it. */
const newFields = () => [{name: 'name', label: 'Name', required: true, hint: 'Letters, digits, _ - and .'},
	{name: 'use', label: 'For', control: select(USES, 'components')},
	{name: 'repositories', label: 'Repositories', hint: 'Whose jobs get it: owner/repo or owner/*; all if empty.'}];

/* name: of one that is there already; else it is asked for */
function setValue(name) {
	const value = h('textarea', {name: 'value', required: true, rows: 4, spellcheck: 'false',
		autocomplete: 'off', class: 'mono'});

	return ask({title: name ? `New value of ${name}` : 'New secret', action: 'Keep it',
		text: 'It is kept sealed. What runs keeps the value that it was started with.',
		fields: [...name ? [] : newFields(), {name: 'value', label: 'Value', control: value}],
		send: ({value: text, ...given}) => api.put(path(name ?? given.name), {value: text, ...!name &&
			{use: given.use, repositories: given.repositories.split(/[\s,]+/).filter(Boolean)}})});
}

async function remove(name) {
	return await confirm({title: `Delete the secret ${name}?`, action: 'Delete', danger: true,
		text: 'What needs it does not start any more.'}) && act(() => api.delete(path(name)), `${name} is deleted`);
}

export function secrets(signal) {
	const columns = [
		{name: 'Name', cell: ({name}) => h('code', null, name)},
		{name: 'For', cell: ({use, repositories}) => h('div', {dir: 'auto'}, USES.find(([value]) => value === use)?.[1] ?? use,
			repositories.length > 0 && h('div', {class: 'quiet'}, repositories.join(', ')))},
		{name: 'Made', cell: ({createdAt}) => time(createdAt, dateTime)},
		{name: 'Changed', cell: ({updatedAt}) => time(updatedAt, dateTime)},
		{name: 'Actions', class: 'end', cell: ({name}) => h('span', {class: 'row-actions'},
			button('New value', async () => await setValue(name) && part.refresh(), {kind: 'small', title: `New value of ${name}`}),
			button('Delete', async () => await remove(name) && part.refresh(), {kind: 'small danger', title: `Delete ${name}`}))},
	];
	const list = table({caption: 'Secrets', columns, key: ({name}) => name, empty: 'There is no secret.'});
	const part = freshPanel({title: 'Secrets', load: (s) => api.get('/api/secrets', {query: {limit: 1000}, signal: s}),
		more: button('New secret', async () => await setValue() && part.refresh(), {kind: 'small primary'}),
		draw(all) { list.update(all); return list.el; }}, signal);

	return part;
}
