/*
 * The hub's API. Every call bears who asks, renews an access token that has
 * ended and tries again, once; when the login itself is over the page is told
 * (onLoginOver), which brings people to the login and back.
 */
import {ApiError, errorOf, freshen, headers, renew, unreachable} from './session.js';

export {ApiError};

const AGAIN_MS = 300;

let loginOver = () => {};
export function onLoginOver(fn) {
	loginOver = fn;
}

/* '/api/jobs' and {status: 'failed', page: 2}: what is null, undefined or ''
 * is left out. */
export function withQuery(path, query) {
	const params = new URLSearchParams();

	for (const [name, value] of Object.entries(query ?? {}))
		if (value !== null && value !== undefined && value !== '')
			params.set(name, String(value));
	const text = params.toString();
	return text === '' ? path : `${path}${path.includes('?') ? '&' : '?'}${text}`;
}

async function attempt(method, path, options) {
	const init = {method, cache: 'no-store', signal: options.signal,
		credentials: 'same-origin', headers: {...headers(), ...options.headers}};

	if (options.body !== undefined) {
		init.headers['Content-Type'] = 'application/json';
		init.body = JSON.stringify(options.body);
	}
	try {
		return await fetch(withQuery(path, options.query), init);
	} catch (error) {
		throw unreachable(error);
	}
}

/* Browsers end what they fetch when the machine's network changes, which a
 * container that starts on it does, too: what only reads is asked for again. */
async function ask(method, path, options) {
	try {
		return await attempt(method, path, options);
	} catch (error) {
		if (method !== 'GET' || error.status !== 0)
			throw error;
	}
	await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
	return attempt(method, path, options);
}

/* A reply that is no error. */
async function send(method, path, options = {}) {
	let reply = await ask(method, path, options);

	if (reply.status === 401 && await renew())
		reply = await ask(method, path, options);
	if (reply.ok)
		return reply;
	const error = await errorOf(reply);
	if (reply.status === 401)
		loginOver();
	throw error;
}

async function body(method, path, options) {
	const reply = await send(method, path, options);

	if (reply.status === 204)
		return {};
	try {
		return await reply.json();
	} catch (error) {
		throw error.name === 'AbortError' ? error :
			new ApiError(reply.status, 'bad_answer', 'The answer of the hub broke off');
	}
}

async function readPieces(reply, onText, signal) {
	const reader = reply.body.getReader();
	const decoder = new TextDecoder();

	signal?.addEventListener('abort', () => reader.cancel().catch(() => {}));
	for (;;) {
		let piece;

		try {
			piece = await reader.read();
		} catch (error) {
			throw unreachable(error);
		}
		if (piece.done)
			return;
		onText(decoder.decode(piece.value, {stream: true}));
	}
}

/* options: {query, signal, headers}. All give the `data` of the answer, whole()
 * the answer with what stands beside it (pagination, next, message). */
export const api = {
	get: async (path, options) => (await body('GET', path, options)).data,
	whole: (path, options) => body('GET', path, options),
	post: async (path, data, options) => {
		const answer = await body('POST', path, {...options, body: data});
		return answer.data ?? answer;
	},
	put: async (path, data, options) => body('PUT', path, {...options, body: data}),
	patch: async (path, data, options) =>
		(await body('PATCH', path, {...options, body: data})).data,
	delete: (path, options) => body('DELETE', path, options),
	/* Not of the envelope: /health, components. */
	raw: (path, options) => body('GET', path, options),
	/* The text of a stream in pieces, until it ends. */
	async stream(path, onText, signal, options = {}) {
		await freshen();
		const reply = await send('GET', path, {...options, signal});
		options.onOpen?.();
		await readPieces(reply, onText, signal);
	},
	/* A file, for a link to save it. */
	async blob(path, options) {
		return (await send('GET', path, options)).blob();
	},
};
