/*
 * Which page is shown: real paths below /dashboard, by the history of the
 * browser. A page gets an element to fill, its parameters and a signal that
 * ends with it; everything that it starts hangs on that signal.
 */

export const BASE = '/dashboard';

/* -- patterns (pure) ---------------------------------------------------- */

/* '/jobs/:id' against '/jobs/4'; null, or {id: '4'}. */
export function matchPath(pattern, path) {
	const want = pattern.split('/').filter(Boolean);
	const have = path.split('/').filter(Boolean);
	const params = {};

	if (want.length !== have.length)
		return null;
	for (let i = 0; i < want.length; i++) {
		if (!want[i].startsWith(':')) {
			if (want[i] !== have[i])
				return null;
			continue;
		}
		try {
			params[want[i].slice(1)] = decodeURIComponent(have[i]);
		} catch {
			return null;
		}
	}
	return params;
}

/* '/dashboard/jobs' -> '/jobs'; null when it is not ours. */
export function below(pathname) {
	if (pathname === BASE)
		return '/';
	return pathname.startsWith(`${BASE}/`) ? pathname.slice(BASE.length) : null;
}

/* -- pages -------------------------------------------------------------- */

const pages = [];
let shown = null; /* AbortController of the page */
let frame = null; /* what the shell gave: root, onShow, onError, missing */

/* module: {title, render(root, params, signal)}; title may be a function of
 * the parameters. */
export function page(pattern, module) {
	pages.push({pattern, module});
}

function find(path) {
	for (const {pattern, module} of pages) {
		const params = matchPath(pattern, path);
		if (params !== null)
			return {pattern, module, params};
	}
	return {pattern: null, module: frame.missing, params: {}};
}

async function show({focus}) {
	const {pattern, module, params} = find(below(location.pathname) ?? '/');

	shown?.abort();
	const mine = new AbortController();
	shown = mine;
	params.query = new URLSearchParams(location.search);
	setTitle(typeof module.title === 'function' ? module.title(params) : module.title);
	frame.onShow(pattern);
	const root = frame.root();
	if (focus)
		root.focus({preventScroll: true});
	try {
		await module.render(root, params, mine.signal);
	} catch (error) {
		if (!mine.signal.aborted)
			frame.onError(root, error);
	}
}

export function setTitle(text) {
	document.title = text ? `${text} · RunnerHub` : 'RunnerHub';
}

export function url(path, query) {
	const params = new URLSearchParams();

	for (const [name, value] of Object.entries(query ?? {}))
		if (value !== null && value !== undefined && value !== '')
			params.set(name, String(value));
	const text = params.toString();
	return (path === '/' ? BASE : BASE + path) + (text === '' ? '' : `?${text}`);
}

/* href as from url(). */
export function go(href, {replace = false} = {}) {
	if (replace) {
		history.replaceState(null, '', href);
	} else {
		history.replaceState({scroll: scrollY}, '');
		history.pushState(null, '', href);
		scrollTo(0, 0);
	}
	return show({focus: true});
}

/* Back to where the reader was, once the page is there again. */
async function onBack(event) {
	await show({focus: true});
	scrollTo(0, event.state?.scroll ?? 0);
}

/* The filters of the page that is shown: into the address, without showing it
 * anew. */
export function setQuery(query) {
	const here = below(location.pathname) ?? '/';

	history.replaceState(null, '', url(here, query) + location.hash);
}

/* Ends what is shown: nobody is logged in any more. */
export function endPage() {
	shown?.abort();
	shown = null;
}

export function reload() {
	return show({focus: false});
}

function onClick(event) {
	const link = event.target.closest?.('a[href]');

	if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey ||
	    event.ctrlKey || event.shiftKey || event.altKey || link.target ||
	    link.hasAttribute('download') || link.origin !== location.origin ||
	    below(link.pathname) === null)
		return;
	if (link.pathname === location.pathname && link.search === location.search && link.hash)
		return; /* within the page */
	event.preventDefault();
	go(link.pathname + link.search + link.hash);
}

export function start(given) {
	frame = given;
	document.addEventListener('click', onClick);
	history.scrollRestoration = 'manual';
	addEventListener('popstate', onBack);
	return show({focus: false});
}
