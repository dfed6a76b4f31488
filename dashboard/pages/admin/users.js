/* People: for admins. */
import {api} from '../../api.js';
import {act, ask, confirm} from '../../dialog.js';
import {h} from '../../dom.js';
import {dateTime} from '../../format.js';
import {freshPanel} from '../../fresh.js';
import {table} from '../../table.js';
import {badge, button, select, time} from '../../widgets.js';

const ROLES = [['viewer', 'viewer: sees'], ['operator', 'operator: runs and stops'], ['admin', 'admin: everything']];
const PASSWORD_HINT = '12 to 1024 characters. They can change it themselves.';

const path = (user) => `/api/users/${encodeURIComponent(user.name)}`;

function addUser() {
	return ask({title: 'Add somebody', action: 'Add',
		fields: [{name: 'name', label: 'Name', required: true},
			{name: 'role', label: 'Role', control: select(ROLES, 'viewer')},
			{name: 'password', label: 'Password', type: 'password', required: true,
				autocomplete: 'new-password', hint: PASSWORD_HINT}],
		send: (values) => api.post('/api/users', values)});
}

function changeRole(user) {
	return ask({title: `Role of ${user.name}`, action: 'Change', text: 'It counts from their next request on.',
		fields: [{name: 'role', label: 'Role', control: select(ROLES, user.role)}],
		send: (values) => api.patch(path(user), values)});
}

function changePassword(user) {
	return ask({title: `New password for ${user.name}`, action: 'Change', text: 'It ends all their logins.',
		fields: [{name: 'password', label: 'Password', type: 'password', required: true,
			autocomplete: 'new-password', hint: PASSWORD_HINT}],
		send: (values) => api.patch(path(user), values)});
}

async function disable(user) {
	const disabled = !user.disabled;

	return await confirm({title: `${disabled ? 'Disable' : 'Enable'} ${user.name}?`, action: disabled ? 'Disable' : 'Enable',
		danger: disabled, text: disabled ? 'Their logins end at once, and their tokens are void meanwhile.' :
			'They may log in again, and their tokens count again.'}) &&
		act(() => api.patch(path(user), {disabled}), `${user.name} is ${disabled ? 'disabled' : 'enabled'}`);
}

async function remove(user) {
	return await confirm({title: `Delete ${user.name}?`, action: 'Delete', danger: true,
		text: 'Their logins end, and their tokens go with them.'}) && act(() => api.delete(path(user)));
}

function actions(user, then) {
	const one = (text, work, kind = '') => button(text, async () => await work(user) && then(),
		{kind: `small ${kind}`.trim(), title: `${text} ${user.name}`});

	return h('span', {class: 'row-actions'}, one('Role', changeRole), one('Password', changePassword),
		one(user.disabled ? 'Enable' : 'Disable', disable), one('Delete', remove, 'danger'));
}

export function users(signal) {
	const columns = [
		{name: 'Name', cell: ({name}) => h('strong', {dir: 'auto'}, name)},
		{name: 'Role', cell: ({role}) => role},
		{name: 'State', cell: ({disabled}) => disabled ? badge('stopped', 'disabled') : badge('ready', 'enabled')},
		{name: 'Last login', cell: ({lastLoginAt}) => time(lastLoginAt, dateTime)},
		{name: 'Actions', class: 'end', cell: (user) => actions(user, () => part.refresh())},
	];
	const list = table({caption: 'Users', columns, key: ({name}) => name, empty: 'There is no user yet.'});
	const part = freshPanel({title: 'People', load: (s) => api.get('/api/users', {query: {limit: 1000}, signal: s}),
		more: button('Add somebody', async () => await addUser() && part.refresh(), {kind: 'small primary'}),
		draw(all) { list.update(all); return list.el; }}, signal);

	return part;
}
