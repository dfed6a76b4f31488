/*
 * Rings when a job has printed more. The bytes themselves are not used: what is
 * shown is asked for by line number, so that a job that prints faster than
 * anybody reads costs the page nothing. Of a stream that says much only the
 * beginning is taken, then another is opened at the newest end.
 */
import {api} from '../api.js';

const ENOUGH = 64 * 1024;
const LEAST_MS = 250; /* between two rings */
const FIRST_WAIT_MS = 1000, LAST_WAIT_MS = 20000;

const sleep = (ms, signal) => new Promise((resolve) => {
	const timer = setTimeout(resolve, ms);
	signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, {once: true});
});

/* When the page is seen; at once if it is. */
function seen(signal) {
	return new Promise((resolve) => {
		const look = () => (!document.hidden || signal.aborted) && resolve();

		document.addEventListener('visibilitychange', look, {signal});
		signal.addEventListener('abort', resolve, {once: true});
		look();
	});
}

/* Until there is enough or the stream ends: true when it ended. */
async function listen(path, ring, signal) {
	const mine = new AbortController();
	const stop = () => mine.abort();
	const onHidden = () => document.hidden && stop();
	let taken = 0;

	signal.addEventListener('abort', stop);
	document.addEventListener('visibilitychange', onHidden);
	try {
		await api.stream(path, (text) => {
			taken += text.length;
			ring();
			if (taken > ENOUGH)
				stop();
		}, mine.signal, {query: {follow: true, tail: 0}, onOpen: ring});
		return !mine.signal.aborted;
	} catch (error) {
		if (mine.signal.aborted)
			return false;
		throw error;
	} finally {
		signal.removeEventListener('abort', stop);
		document.removeEventListener('visibilitychange', onHidden);
	}
}

/* At most one call of fn at a time and one per LEAST_MS; the last ring is
 * always answered. */
function rung(fn, signal) {
	let busy = false, again = false;

	return async function ring() {
		again = true;
		if (busy)
			return;
		busy = true;
		while (again && !signal.aborted) {
			again = false;
			await fn();
			await sleep(LEAST_MS, signal);
		}
		busy = false;
	};
}

/* onMore() for more output; onState('live' | 'lost'). Resolves when the log is
 * complete or the signal ends it. */
export async function followLog(path, {onMore, onState, signal}) {
	const ring = rung(onMore, signal);
	let wait = FIRST_WAIT_MS;

	while (!signal.aborted) {
		await seen(signal);
		if (signal.aborted)
			return;
		try {
			onState('live');
			const ended = await listen(path, ring, signal);
			wait = FIRST_WAIT_MS;
			if (ended) {
				await onMore();
				return;
			}
			await sleep(LEAST_MS, signal);
		} catch (error) {
			if (signal.aborted || error.status === 401 || error.status === 404)
				return;
			onState('lost');
			await sleep(wait, signal);
			wait = Math.min(wait * 2, LAST_WAIT_MS);
		}
	}
}
