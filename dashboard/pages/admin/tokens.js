/* API tokens: one's own, or everybody's for admins. A token is shown once. */
import {api} from '../../api.js';
import {act, ask, confirm, dialog, toast} from '../../dialog.js';
import {h} from '../../dom.js';
import {ago, dateTime} from '../../format.js';
import {freshPanel} from '../../fresh.js';
import {may} from '../../session.js';
import {table} from '../../table.js';
import {badge, button, select, time} from '../../widgets.js';

const ENDS = [['', 'never'], ['7', 'in a week'], ['30', 'in 30 days'], ['90', 'in 90 days'], ['365', 'in a year']];
const DAY_MS = 86400e3;

function make() {
	const roles = ['viewer', 'operator', 'admin'].filter(may).map((role) => [role, role]);

	return ask({title: 'New token', action: 'Make it', text: 'For a program. It never may more than you may.',
		fields: [{name: 'name', label: 'Name', required: true, hint: 'What it is for.'},
			{name: 'role', label: 'Role', control: select(roles, 'viewer')},
			{name: 'days', label: 'Ends', control: select(ENDS, '90')}],
		send: ({name, role, days}) => api.post('/api/tokens', {name, role, ...days &&
			{expiresAt: new Date(Date.now() + days * DAY_MS).toISOString()}})});
}

/* What comes once and never again. */
export function showSecret(title, text, secret) {
	const copy = async () => {
		try {
			await navigator.clipboard.writeText(secret);
			toast('Copied');
		} catch {
			toast('The browser does not allow it: mark it and copy it yourself', 'bad');
		}
	};

	return dialog((done) => ({
		title,
		body: [h('p', null, text, ' This is the only time that it is shown: keep it where only you read it.'),
			h('code', {class: 'secret', id: 'secret', tabindex: 0}, secret)],
		actions: [button('Copy', copy, {icon: 'copy'}), button('Done', () => done(true), {kind: 'primary'})],
	}));
}

async function remove(token) {
	return await confirm({title: `Delete the token ${token.name}?`, action: 'Delete', danger: true,
		text: 'Programs that use it are refused from then on.'}) && act(() => api.delete(`/api/tokens/${token.id}`));
}

export function tokens(signal) {
	const isOver = ({expiresAt}) => expiresAt !== null && new Date(expiresAt) < new Date();
	const columns = [
		{name: 'Name', cell: ({name}) => h('strong', {dir: 'auto'}, name)},
		{name: 'Role', cell: ({role}) => role},
		{name: 'Ends', cell: (token) => isOver(token) ? badge('stopped', 'over') :
			token.expiresAt ? time(token.expiresAt, dateTime) : 'never'},
		{name: 'Last used', cell: ({lastUsedAt}) => lastUsedAt ? time(lastUsedAt, ago) : 'never'},
		{name: 'Actions', class: 'end', cell: (token) => button('Delete', async () => await remove(token) && part.refresh(),
			{kind: 'small danger', title: `Delete the token ${token.name}`})},
	];
	const list = table({caption: 'API tokens', columns, key: ({id}) => id, empty: 'There is no token.'});
	const part = freshPanel({title: 'Your API tokens', load: (s) => api.get('/api/tokens', {query: {limit: 1000}, signal: s}),
		more: button('New token', async () => {
			const made = await make();
			if (made) {
				part.refresh();
				await showSecret(`Token ${made.name}`, 'For your program.', made.token);
			}
		}, {kind: 'small primary'}),
		draw(all) { list.update(all); return list.el; }}, signal);

	return part;
}
