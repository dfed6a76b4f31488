import test from 'node:test';
import assert from 'node:assert/strict';
import {phasesOf, placeOfStep, shares} from '../phases.js';

const at = (s) => new Date(Date.UTC(2026, 0, 1, 12, 0, s)).toISOString();
const said = (phases, now) => phasesOf({phases}, now ? Date.parse(at(now)) : undefined)
	.map((p) => [p.name, p.ms, p.open]);

test('a job that is over', () => {
	assert.deepEqual(said({queued: at(0), assigned: at(1), created: at(2), started: at(3), firstOutput: at(4), ended: at(9),
		removed: at(10)}), [['Waited', 1000, false], ['Container made ready', 2000, false],
		['Until the first output', 1000, false], ['Ran', 5000, false], ['Cleaned up', 1000, false]]);
	assert.deepEqual(said({queued: at(0), assigned: at(1), started: at(3), firstOutput: null, ended: at(9), removed: null}),
		[['Waited', 1000, false], ['Container made ready', 2000, false], ['Ran', 6000, false]], 'it printed nothing');
	assert.deepEqual(said({queued: at(0), assigned: null, ended: at(9), removed: null}), [['Waited', 9000, false]],
		'cancelled while it waited');
});

test('a job that goes on', () => {
	assert.deepEqual(said({queued: at(0), assigned: null, ended: null}, 5), [['Waited', 5000, true]]);
	assert.deepEqual(said({queued: at(0), assigned: at(1), started: at(2), firstOutput: at(3), ended: null}, 7).at(-1),
		['Ran', 4000, true]);
});

test('shares are never too small to be seen, and fill the whole', () => {
	for (const values of [[1, 1, 1e9], [0, 0, 0], [5], [1e-3, 7, 2, 0]]) {
		const got = shares(values);
		assert.ok(Math.abs(got.reduce((a, b) => a + b) - 1) < 1e-9);
		assert.ok(got.every((share) => share >= 0.02 - 1e-9));
	}
	assert.equal(shares(Array(100).fill(1)).length, 100);
});

test('steps lie within the run', () => {
	const steps = [{startedAt: at(0), completedAt: at(5)}, {startedAt: at(5), completedAt: at(10)}, {startedAt: null}];

	assert.deepEqual(placeOfStep(steps[1], steps), {left: 0.5, width: 0.5});
	assert.equal(placeOfStep(steps[2], steps), null);
});
