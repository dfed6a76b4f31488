/*
 * The component API: below a base path that the hub names, in the shapes of
 * portals, with the same credentials as all else.
 */
import {api} from './api.js';
import {eventReader} from './sse.js';

const FIRST_WAIT_MS = 1000, LAST_WAIT_MS = 30000;

let base = null;

/* '/api/runner', or wherever the hub serves it. */
export async function componentsBase() {
	base ??= (await api.get('/api/system')).componentsPath;
	if (!base)
		throw new Error('This hub serves no components');
	return base;
}

export async function componentsGet(path, options) {
	return api.raw(await componentsBase() + path, options);
}

/* The text of a stream in pieces, until it ends. */
export async function componentsStream(path, onText, signal, options) {
	return api.stream(await componentsBase() + path, onText, signal, options);
}

export async function componentStart(componentRef) {
	return api.post(`${await componentsBase()}/start`, {entityRef: componentRef}, {query: {wait: false}});
}

export async function componentStop(instanceId) {
	return api.post(`${await componentsBase()}/stop`, {instanceId});
}

function pause(ms, signal) {
	return new Promise((resolve) => {
		const timer = setTimeout(resolve, ms);
		signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); });
	});
}

/*
 * Instances as they change, until the signal: on.open() at the beginning of a
 * stream, which tells all of them (or the one of the id `only`) anew, then
 * on.instance(instance) and on.removed(id).
 */
export async function followInstances(only, on, signal) {
	const read = () => eventReader(({type, data}) =>
		type === 'removed' ? on.removed?.(JSON.parse(data).id) :
			type === 'instance' && on.instance(JSON.parse(data)));
	let wait = FIRST_WAIT_MS;

	while (!signal.aborted) {
		try {
			await api.stream(`${await componentsBase()}/events`, read(), signal,
				{query: {instance: only}, onOpen() { wait = FIRST_WAIT_MS; on.open?.(); }});
		} catch (error) {
			if (error.status === 401 || error.status === 404)
				return; /* the login takes over; it is gone */
		}
		await pause(wait, signal);
		wait = Math.min(wait * 2, LAST_WAIT_MS);
	}
}

/* -- what is known of an instance (pure) --------------------------------- */

/* Where a port of an instance is reached: the host that the hub names, else
 * the one that this page came from. */
export function portUrl(instance, port, pageHost = location.hostname) {
	const host = instance.publicHost ?? pageHost;

	return `http://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`;
}

export const isOver = ({status}) => status === 'stopped' || status === 'error';

/* 'Building Docker Image, 3 of 5' */
export function progressWords({steps, currentStep}) {
	const at = steps.findIndex(({type}) => type === currentStep);

	return `${steps[at]?.title ?? currentStep}, ${at + 1} of ${steps.length}`;
}
