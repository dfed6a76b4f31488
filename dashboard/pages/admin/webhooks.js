/* Webhooks: whom the hub tells of events, and whether it gets through. */
import {api} from '../../api.js';
import {act, ask, confirm, dialog, toast} from '../../dialog.js';
import {h} from '../../dom.js';
import {number} from '../../format.js';
import {freshPanel} from '../../fresh.js';
import {table} from '../../table.js';
import {badge, button, select, time} from '../../widgets.js';
import {showSecret} from './tokens.js';

const FORMATS = [['generic', 'generic: signed JSON'], ['slack', 'slack: a line of text']];
const STATES = {waiting: 'queued', delivered: 'completed', failed: 'failed'};

const path = (hook, rest = '') => `/api/webhooks/${hook.id}${rest}`;
const words = (text) => text.split(/[\s,]+/).filter(Boolean);

function make() {
	return ask({title: 'New webhook', action: 'Add',
		fields: [{name: 'name', label: 'Name', required: true},
			{name: 'url', label: 'Address', type: 'url', required: true, hint: 'It is kept sealed and not shown again.'},
			{name: 'format', label: 'Format', control: select(FORMATS, 'generic')},
			{name: 'events', label: 'Events', hint: 'Such as job.failed or runner.*; all if empty.'},
			{name: 'repository', label: 'Repository', hint: 'owner/repo or owner/*; every one if empty.'}],
		send: ({name, url, format, events, repository}) => api.post('/api/webhooks', {name, url, format,
			...words(events).length > 0 && {events: words(events)}, ...repository && {repository}})});
}

async function test(hook) {
	const sent = await act(() => api.post(path(hook, '/test')), `A test is sent to ${hook.name}`);

	if (sent)
		toast(sent.delivered ? `${hook.name} answered ${sent.status}` : `Not delivered: ${sent.error}`, sent.delivered ? '' : 'bad');
	return sent;
}

async function toggle(hook) {
	return act(() => api.patch(path(hook), {enabled: !hook.enabled}), `${hook.name} is ${hook.enabled ? 'off' : 'on'}`);
}

async function remove(hook) {
	return await confirm({title: `Delete the webhook ${hook.name}?`, action: 'Delete', danger: true,
		text: 'What waits for it goes, too.'}) && act(() => api.delete(path(hook)), `${hook.name} is deleted`);
}

/* -- what was sent --------------------------------------------------------- */

function delivery(row) {
	return h('li', null, h('div', null, badge(STATES[row.state], row.state), ' ', h('code', {dir: 'auto'}, row.event), ' ',
		time(row.updatedAt)),
	h('div', {class: 'quiet', dir: 'auto'}, [`${number(row.attempts)} tries`, row.status && `answer ${row.status}`, row.error]
		.filter(Boolean).join(', ')));
}

async function deliveries(hook) {
	const rows = await act(() => api.get(path(hook, '/deliveries')), 'Read');

	return rows && dialog((done) => ({
		title: `Sent to ${hook.name}`,
		body: rows.length === 0 ? h('p', null, 'Nothing yet.') :
			h('ul', {class: 'errors scroll', tabindex: 0, 'aria-label': 'Deliveries'}, rows.map(delivery)),
		actions: [button('Close', () => done(null), {kind: 'primary'})],
	}));
}

/* -- the list -------------------------------------------------------------- */

function state(hook) {
	if (!hook.enabled)
		return badge('stopped', 'off');
	return h('div', null, hook.circuit === 'closed' ? badge('ready', 'on') : badge('error', 'does not get through'),
		hook.lastError && hook.failures > 0 && h('div', {class: 'fault few-lines', dir: 'auto'}, hook.lastError));
}

function actions(hook, then) {
	const one = (text, work, kind = '') => button(text, async () => await work(hook) && then(),
		{kind: `small ${kind}`.trim(), title: `${text} ${hook.name}`});

	return h('span', {class: 'row-actions'}, one('Test', test), one('Deliveries', deliveries),
		one(hook.enabled ? 'Turn off' : 'Turn on', toggle), one('Delete', remove, 'danger'));
}

export function webhooks(signal) {
	const columns = [
		{name: 'Name', cell: (hook) => h('div', null, h('strong', {dir: 'auto'}, hook.name),
			h('div', {class: 'quiet', dir: 'auto'}, hook.origin))},
		{name: 'Events', cell: ({events, repository}) => h('div', {dir: 'auto'}, events.join(', ') || 'all',
			repository && h('div', {class: 'quiet'}, repository))},
		{name: 'State', cell: state},
		{name: 'Sent', cell: ({delivered, waiting, failed}) => h('div', null, number(delivered),
			h('div', {class: 'quiet'}, `${number(waiting)} waiting, ${number(failed)} failed`))},
		{name: 'Actions', class: 'end', cell: (hook) => actions(hook, () => part.refresh())},
	];
	const list = table({caption: 'Webhooks', columns, key: ({id}) => id, empty: 'The hub tells nobody of events.'});
	const part = freshPanel({title: 'Webhooks', every: 15000, load: (s) => api.get('/api/webhooks', {signal: s}),
		more: button('New webhook', async () => {
			const made = await make();
			if (made) {
				part.refresh();
				if (made.secret)
					await showSecret(`Secret of ${made.name}`, 'It signs what the hub sends.', made.secret);
			}
		}, {kind: 'small primary'}),
		draw(all) { list.update(all); return list.el; }}, signal);

	return part;
}
