import test from 'node:test';
import assert from 'node:assert/strict';
import {niceStep, timeMarks} from '../chart.js';

const day = (step) => Array.from({length: 86400 / step}, (_, n) =>
	({at: new Date(2026, 2, 14, 9, 0, n * step).toISOString()}));

test('marks of values are round', () => {
	const said = [[0.33, 0.5], [1, 1], [3.4, 5], [7, 10], [33, 50], [120, 200], [1e6, 1e6]];

	for (const [rough, step] of said)
		assert.ok(Math.abs(niceStep(rough, false) - step) < 1e-9, `${rough}: ${niceStep(rough, false)}`);
});

test('of seconds they are what a clock shows', () => {
	const said = [[0.03, 0.05], [0.7, 1], [7, 10], [20, 30], [70, 120], [400, 600], [4000, 7200], [90000, 100000]];

	for (const [rough, step] of said)
		assert.ok(Math.abs(niceStep(rough, true) - step) < 1e-9, `${rough}: ${niceStep(rough, true)}`);
});

test('marks of time are full hours, as many as have room', () => {
	const points = day(900);

	for (const room of [1, 3, 6, 12, 40]) {
		const marks = timeMarks(points, room);
		assert.ok(marks.length >= 1 && marks.length <= room + 1, `${room}: ${marks.length}`);
		for (const {index} of marks)
			assert.equal(new Date(points[index].at).getMinutes(), 0);
	}
	assert.deepEqual(timeMarks([{at: new Date(2026, 2, 14, 9, 1, 5)}, {at: new Date(2026, 2, 14, 9, 2, 6)}], 6)
		.map(({text}) => text), ['09:01:05', '09:02:06'], 'both ends of a short time');
	assert.ok(timeMarks(points, 6).some(({text}) => text === '03-15'), 'midnight has its date');
});
