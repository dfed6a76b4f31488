/* Who may use the hub, and what programs and components need: one's own
 * account and tokens; people, secrets and webhooks for admins. */
import {api} from '../api.js';
import {ask, toast} from '../dialog.js';
import {h, replace} from '../dom.js';
import {may, who} from '../session.js';
import {button, facts, pageHead, panel} from '../widgets.js';
import {secrets} from './admin/secrets.js';
import {tokens} from './admin/tokens.js';
import {users} from './admin/users.js';
import {webhooks} from './admin/webhooks.js';

const KINDS = {local: 'everybody on this machine: the hub is open', key: 'the API key', token: 'an API token'};

async function changePassword() {
	const done = await ask({title: 'Your password', action: 'Change', text: 'All your logins end, this one, too.',
		fields: [{name: 'currentPassword', label: 'The one you have', type: 'password', required: true,
			autocomplete: 'current-password'},
		{name: 'newPassword', label: 'The new one', type: 'password', required: true,
			autocomplete: 'new-password', hint: '12 to 1024 characters.'}],
		send: (values) => api.post('/api/auth/password', values)});

	if (done)
		toast('Your password is changed: log in with the new one');
}

function account() {
	const me = who();

	return panel('You', facts(['Name', me.name ?? KINDS[me.kind]], ['Role', me.role]),
		me.kind === 'user' && h('p', {class: 'row-actions'}, button('Change your password', changePassword)));
}

export default {
	title: 'Access',
	render(root, params, signal) {
		replace(root, pageHead('Access'), account(), may('admin') && users(signal),
			who().kind !== 'token' && tokens(signal), may('admin') && [secrets(signal), webhooks(signal)]);
	},
};
