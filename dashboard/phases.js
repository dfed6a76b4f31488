/* Where the time of a job went. Pure: tested without a browser. */
import {between} from './format.js';

/* Name, from and to as they are called in a job's `phases`, and a tone. */
const PHASES = [
	['Waited', 'queued', 'assigned', 'waiting'],
	['Container made ready', 'assigned', 'started', 'off'],
	['Until the first output', 'started', 'firstOutput', 'quiet'],
	['Ran', 'firstOutput', 'ended', 'active'],
	['Cleaned up', 'ended', 'removed', 'off'],
];

/*
 * [{name, tone, ms, from, open}]: what is over and, last, what goes on (open).
 * A phase that the job never reached is left out, and the one before it lasts
 * until the job's end.
 */
export function phasesOf(job, now = Date.now()) {
	const {phases} = job;
	const made = [];

	for (const [name, first, last, tone] of PHASES) {
		const from = phases[first] ?? (first === 'firstOutput' ? phases.started : null);
		if (!from || (first === 'started' && !phases.firstOutput))
			continue;
		if (first === 'ended' && !phases.removed)
			continue; /* nothing to clean up, or not told */
		const to = phases[last] ?? phases.ended ?? null;
		made.push({name, tone, from, ms: between(from, to, now), open: to === null});
		if (to === null || (to === phases.ended && last !== 'ended' && first !== 'ended'))
			break;
	}
	return made;
}

/* Shares of a width of 1, none below `least`: what took a millisecond beside
 * an hour is still to be seen. */
export function shares(values, least = 0.02) {
	const sum = values.reduce((a, b) => a + b, 0);

	if (values.length * least >= 1 || sum <= 0)
		return values.map(() => 1 / values.length);
	const small = values.map((v) => v / sum < least);
	const room = 1 - least * small.filter(Boolean).length;
	const rest = values.reduce((a, v, i) => a + (small[i] ? 0 : v), 0);
	return values.map((v, i) => small[i] ? least : v / rest * room);
}

/* Where a step lies within the run: {left, width} as shares of it, or null. */
export function placeOfStep(step, steps, now = Date.now()) {
	const begun = steps.filter((s) => s.startedAt);

	if (!step.startedAt || begun.length === 0)
		return null;
	const first = Math.min(...begun.map((s) => Date.parse(s.startedAt)));
	const last = Math.max(...begun.map((s) => s.completedAt ? Date.parse(s.completedAt) : now));
	const all = Math.max(last - first, 1);
	return {left: (Date.parse(step.startedAt) - first) / all, width: between(step.startedAt, step.completedAt, now) / all};
}
