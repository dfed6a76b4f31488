/*
 * One stream of the hub's events for the whole page, shared by everything that
 * subscribes. It resumes behind the last event that was seen, waits longer
 * after each failure, and says honestly how it stands: a page that shows old
 * numbers must be able to say of when they are.
 *
 * A tab that is not seen has no stream: browsers allow six connections to a
 * server, and the hub need not feed whom nobody watches.
 */
import {api} from './api.js';
import {eventReader} from './sse.js';

const SILENCE_MS = 20000; /* figures come every two seconds */
const FIRST_WAIT_MS = 1000, LAST_WAIT_MS = 30000;

const subscribers = new Map(); /* type -> Set of fn */
const watchers = new Set(), resumers = new Set();
let lastId = null, running = null, kick = null;
let figures = null; /* of the last metrics event */
let state = {state: 'connecting', at: null};

function listen(set, fn, signal) {
	set.add(fn);
	signal?.addEventListener('abort', () => set.delete(fn));
}

/* fn(data, type) for events of this type: job:delegated, job:status, metrics,
 * ...; '*' for all. */
export function subscribe(type, fn, signal) {
	if (!subscribers.has(type))
		subscribers.set(type, new Set());
	listen(subscribers.get(type), fn, signal);
	if (type === 'metrics' && figures !== null && state.state === 'live')
		fn(figures, type);
}

/* fn({state, at}): connecting, live, lost or paused, and since when nothing
 * newer is known (ms; null: never was). Called at once, too. */
export function watchState(fn, signal) {
	listen(watchers, fn, signal);
	fn(state);
}

/* fn() after a gap: read again what is shown. */
export function onResume(fn, signal) {
	listen(resumers, fn, signal);
}

function setState(name, at = state.at) {
	const changed = name !== state.state;

	state = {state: name, at};
	if (changed)
		watchers.forEach((fn) => fn(state));
}

function give(type, data) {
	for (const key of [type, '*'])
		for (const fn of [...subscribers.get(key) ?? []])
			fn(data, type);
}

function onEvent(event) {
	if (event.id !== null)
		lastId = event.id;
	setState('live', Date.now());
	const data = JSON.parse(event.data);
	if (event.type === 'metrics')
		figures = data;
	give(event.type, data);
}

/* Until it breaks. */
async function follow(signal) {
	const either = new AbortController(); /* closed, or silent for too long */
	const stop = () => either.abort();
	const read = eventReader(onEvent);
	let timer = null;
	const alive = () => {
		clearTimeout(timer);
		timer = setTimeout(stop, SILENCE_MS);
	};

	alive();
	signal.addEventListener('abort', stop);
	try {
		await api.stream('/api/events', (text) => { alive(); read(text); }, either.signal, {
			query: {lastEventId: lastId},
			onOpen() {
				const gap = state.at !== null;
				setState('live', Date.now());
				if (gap)
					resumers.forEach((fn) => fn());
			},
		});
	} finally {
		clearTimeout(timer);
		signal.removeEventListener('abort', stop);
	}
}

function pause(ms, signal) {
	return new Promise((resolve) => {
		const timer = setTimeout(resolve, ms);

		kick = resolve;
		signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); });
	});
}

async function run(signal) {
	let wait = FIRST_WAIT_MS;

	while (!signal.aborted) {
		const begun = Date.now();
		let least = 0;

		try {
			await follow(signal);
		} catch (error) {
			if (error.status === 401)
				return; /* the login takes over */
			least = (error.retryAfter ?? 0) * 1000;
		}
		if (signal.aborted)
			return;
		setState('lost');
		if (Date.now() - begun > LAST_WAIT_MS)
			wait = FIRST_WAIT_MS;
		await pause(Math.max(least, wait * (0.75 + Math.random() / 2)), signal);
		wait = Math.min(wait * 2, LAST_WAIT_MS);
	}
}

function open() {
	if (running !== null)
		return;
	running = new AbortController();
	run(running.signal);
}

function close(name) {
	running?.abort();
	running = null;
	setState(name);
}

function onVisibility() {
	if (document.hidden)
		close('paused');
	else
		open();
}

/* After a login. */
export function startLive() {
	document.addEventListener('visibilitychange', onVisibility);
	addEventListener('online', () => kick?.());
	if (!document.hidden)
		open();
}

/* At a logout: somebody else may come. */
export function stopLive() {
	document.removeEventListener('visibilitychange', onVisibility);
	lastId = figures = null;
	state = {state: 'connecting', at: null};
	close('connecting');
}

export function retryNow() {
	kick?.();
}
