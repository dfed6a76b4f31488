/* Questions and short messages. Built on <dialog>, which keeps the focus inside
 * and closes by Esc. */
import {announce, h} from './dom.js';
import {button, field} from './widgets.js';

/* Shows a dialog; resolves with what done() was given, null when it was closed.
 * build(done) -> {title, body, actions} */
export function dialog(build) {
	return new Promise((resolve) => {
		let result = null;
		const done = (value) => { result = value; el.close(); };
		const {title, body, actions} = build(done);
		const form = h('form', {method: 'dialog', class: 'dialog-form', onsubmit: (event) => event.preventDefault()},
			h('h2', {id: 'dialog-title'}, title), body, h('div', {class: 'dialog-actions'}, actions));
		const el = h('dialog', {'aria-labelledby': 'dialog-title', onclose: () => {
			el.remove();
			resolve(result);
		}, onclick: (event) => event.target === el && el.close()}, form);

		document.body.append(el);
		el.showModal();
	});
}

/* true when they agreed */
export async function confirm({title, text, action = 'Yes', danger = false}) {
	return await dialog((done) => ({
		title, body: h('p', null, text),
		actions: [button('Cancel', () => done(null)),
			button(action, () => done(true), {kind: danger ? 'danger' : 'primary'})],
	})) === true;
}

/*
 * A form of inputs: fields [{name, label, hint, type, value, required, control}],
 * send(values) does the work; an error of it is shown in the dialog, which
 * stays. Resolves with send's result, or null.
 */
export function ask({title, text, fields, action, send}) {
	return dialog((done) => {
		const controls = fields.map((f) => f.control ?? h('input', {type: f.type ?? 'text',
			value: f.value ?? '', required: f.required, autocomplete: f.autocomplete ?? 'off', name: f.name}));
		const said = h('p', {class: 'form-error', role: 'alert'});
		const submit = h('button', {type: 'submit', class: 'button primary'}, action);

		submit.addEventListener('click', async (event) => {
			event.preventDefault();
			if (!submit.form.reportValidity())
				return;
			submit.disabled = true;
			said.textContent = '';
			try {
				done(await send(Object.fromEntries(fields.map((f, i) => [f.name,
					controls[i].type === 'checkbox' ? controls[i].checked : controls[i].value]))) ?? true);
			} catch (error) {
				said.textContent = error.message;
				submit.disabled = false;
			}
		});
		return {title, body: [text ? h('p', null, text) : null,
			fields.map((f, i) => field(f.label, controls[i], f.hint)), said],
		actions: [button('Cancel', () => done(null)), submit]};
	});
}

/* A message that goes by itself; kind: '' or 'bad'. */
export function toast(text, kind = '') {
	const el = h('div', {class: `toast ${kind}`.trim()}, text);

	document.getElementById('toasts').append(el);
	announce(text);
	setTimeout(() => el.remove(), kind === 'bad' ? 9000 : 4500);
}

/* Runs an act of a button: says what came of it. */
export async function act(work, said) {
	try {
		const answer = await work();
		toast(answer?.message ?? said);
		return answer ?? true;
	} catch (error) {
		toast(error.message, 'bad');
		return null;
	}
}
