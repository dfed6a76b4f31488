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
const ENDS_MAX = 5; /* of a log that is never complete */

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
async function listen(path, {onOpen, ring}, signal) {
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
		}, mine.signal, {query: {follow: true, tail: 0}, onOpen});
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

/* onMore() for more output, true when the log is complete; onState('live' | 'lost'). Resolves when the log is
 * complete or the signal ends it. */
export async function followLog(path, {onMore, onState, signal}) {
	const ring = rung(onMore, signal);
	const onOpen = () => { onState('live'); ring(); };
	let wait = FIRST_WAIT_MS, ends = 0;

	while (!signal.aborted) {
		await seen(signal);
		if (signal.aborted)
			return;
		try {
			if (!await listen(path, {onOpen, ring}, signal)) {
				wait = FIRST_WAIT_MS;
				await sleep(LEAST_MS, signal);
				continue;
			}
			/* A hub that stops ends its streams, too. */
			if (await onMore() || ++ends > ENDS_MAX)
				return;
			await sleep(wait, signal);
		} catch (error) {
			if (signal.aborted || error.status === 401 || error.status === 404)
				return;
			onState('lost');
			await sleep(wait, signal);
			wait = Math.min(wait * 2, LAST_WAIT_MS);
		}
	}
}
