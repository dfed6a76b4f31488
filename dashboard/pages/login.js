/* The login: name and password, or a key or token instead. */
import {h, replace} from '../dom.js';
import {icon} from '../icons.js';
import {field} from '../widgets.js';
import {login, loginByKey} from '../session.js';
import {setTitle} from '../router.js';

/* A form that says what went wrong and can be sent once at a time. */
function form(fields, action, send) {
	const said = h('p', {class: 'form-error', role: 'alert'});
	const submit = h('button', {type: 'submit', class: 'button primary wide'}, action);
	const el = h('form', {class: 'login-form', onsubmit: async (event) => {
		event.preventDefault();
		submit.disabled = true;
		said.textContent = '';
		try {
			await send();
		} catch (error) {
			said.textContent = error.retryAfter > 0 && error.status === 429
				? `${error.message}. Again in ${error.retryAfter} s.` : error.message;
			el.querySelector('input[type=password]').select();
		} finally {
			submit.disabled = false;
		}
	}}, fields, said, submit);

	return el;
}

function byPassword(done) {
	const name = h('input', {name: 'username', autocomplete: 'username', required: true,
		autocapitalize: 'none', spellcheck: 'false', maxlength: '128'});
	const password = h('input', {name: 'password', type: 'password', required: true,
		autocomplete: 'current-password', maxlength: '1024'});

	return form([field('Name', name), field('Password', password)], 'Log in', async () => {
		await login(name.value, password.value);
		done();
	});
}

function byKey(done) {
	const key = h('input', {name: 'key', type: 'password', required: true, autocomplete: 'off', spellcheck: 'false'});
	const keep = h('input', {type: 'checkbox', id: 'keep'});

	return form([field('API key or token', key), h('label', {class: 'check'}, keep, 'Keep it until this tab is closed')],
		'Use it', async () => {
			await loginByKey(key.value.trim(), keep.checked);
			done();
		});
}

/* In the place of everything; done() when somebody is in. */
export function showLogin(app, done) {
	setTitle('Log in');
	replace(app, h('main', {class: 'login', id: 'main'},
		h('div', {class: 'login-box'},
			h('p', {class: 'brand large'}, icon('brand', 'brand-mark'), h('span', null, 'RunnerHub')),
			h('h1', {class: 'unseen'}, 'Log in'),
			byPassword(done),
			h('details', {class: 'login-other'}, h('summary', null, 'With an API key or token'), byKey(done)))));
	app.querySelector('input').focus();
}
