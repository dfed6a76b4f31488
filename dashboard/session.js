/*
 * Who is using the page. The access token lives in this module's memory only;
 * what renews it is a cookie that no script can read. An API key or token is
 * kept for the tab when its owner asked for that.
 */

const KEPT = 'runnerhub.key';
const LOGGED_IN = 'runnerhub.login'; /* there may be a cookie: nothing secret */
const RANKS = {viewer: 1, operator: 2, admin: 3};

let bearer = null; /* access token, API token or the hub's key */
let expires = 0;   /* of an access token: ms since 1970 */
let byKey = false;
let renewing = null;
let me = null;

export class ApiError extends Error {
	constructor(status, code, message, retryAfter = 0) {
		super(message);
		this.name = 'ApiError';
		this.status = status;
		this.code = code;
		this.retryAfter = retryAfter;
	}
}

/* What a hub that could not be asked is worth: status 0. */
export function unreachable(error) {
	if (error.name === 'AbortError')
		return error;
	return new ApiError(0, 'unreachable', 'The hub does not answer');
}

export async function errorOf(reply) {
	const text = await reply.text().catch(() => '');
	const after = Number(reply.headers.get('Retry-After')) || 0;

	try {
		const body = JSON.parse(text);
		/* Components answer in their portal's words. */
		const said = typeof body.error === 'object' ? body.error?.message : body.error;
		return new ApiError(reply.status, body.code ?? 'unknown',
			said ?? body.message ?? `The hub answered ${reply.status}`, after);
	} catch {
		return new ApiError(reply.status, 'unknown',
			`The hub answered ${reply.status} without words`, after);
	}
}

export function headers() {
	return bearer === null ? {} : {Authorization: `Bearer ${bearer}`};
}

async function post(path, body) {
	let reply;

	try {
		reply = await fetch(path, {
			method: 'POST', credentials: 'same-origin', cache: 'no-store',
			headers: {'Content-Type': 'application/json', 'X-RunnerHub': '1', ...headers()},
			body: JSON.stringify(body),
		});
	} catch (error) {
		throw unreachable(error);
	}
	if (!reply.ok)
		throw await errorOf(reply);
	return reply.json();
}

function take(data) {
	bearer = data.accessToken;
	expires = Date.now() + data.expiresIn * 1000;
	localStorage.setItem(LOGGED_IN, 'yes');
	byKey = false;
}

async function renewNow() {
	bearer = null;
	try {
		take((await post('/api/auth/refresh', {})).data);
		return true;
	} catch (error) {
		if (error.status === 0 || error.status >= 500 || error.status === 429)
			throw error; /* nobody said that the login is over */
		return false;
	}
}

/* A new access token by the cookie. All who ask meanwhile wait for the same
 * answer. False: there is no login any more. */
export function renew() {
	if (byKey)
		return Promise.resolve(false);
	renewing ??= renewNow().finally(() => { renewing = null; });
	return renewing;
}

/* Before something long: no token that ends in a moment. */
export async function freshen() {
	if (bearer !== null && !byKey && Date.now() > expires - 30000)
		await renew();
}

/* -- who ---------------------------------------------------------------- */

async function ask() {
	let reply;

	try {
		reply = await fetch('/api/auth/me', {cache: 'no-store', headers: headers()});
	} catch (error) {
		throw unreachable(error);
	}
	if (reply.status === 401)
		return false;
	if (!reply.ok)
		throw await errorOf(reply);
	me = (await reply.json()).data;
	return true;
}

/* At the start of the page: open mode, a kept key, or the cookie. False: a
 * login is needed. */
export async function begin() {
	bearer = sessionStorage.getItem(KEPT);
	byKey = bearer !== null;
	/* Who was logged in renews first: a question without a token would stand
	 * in the audit log as refused, each time that somebody reloads. */
	const renewed = !byKey && localStorage.getItem(LOGGED_IN) !== null;
	if (renewed)
		await renew();
	if (await ask())
		return true;
	forget();
	return !renewed && await renew() && await ask();
}

export async function login(username, password) {
	take((await post('/api/auth/login', {username, password, cookie: true})).data);
	await ask();
}

/* With the hub's key or an API token. */
export async function loginByKey(key, keep) {
	bearer = key;
	byKey = true;
	if (!await ask()) {
		forget();
		throw new ApiError(401, 'invalid_credentials', 'The hub does not know this key or token');
	}
	if (keep)
		sessionStorage.setItem(KEPT, key);
}

export function forget() {
	bearer = null;
	byKey = false;
	me = null;
	sessionStorage.removeItem(KEPT);
	localStorage.removeItem(LOGGED_IN);
}

export async function logout() {
	if (!byKey)
		await post('/api/auth/logout', {}).catch((error) => {
			if (error.status !== 401)
				throw error;
		});
	forget();
}

/* {kind: local|key|user|token, name, role}, or null */
export function who() {
	return me;
}

export function isOpen() {
	return me?.kind === 'local';
}

export function may(role) {
	return (RANKS[me?.role] ?? 0) >= RANKS[role];
}
