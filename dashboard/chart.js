/*
 * Charts over time as SVG: bars that are stacked, or lines. A chart is read
 * with the pointer, with the arrow keys (it is a slider over its points) and
 * as a table. It takes the width that it is given, and draws itself anew when
 * that changes.
 *
 *   chart({title, points, series, stacked, format, isTime})
 *
 * points: [{at, <key>: number or null}, ...], oldest first, evenly spaced;
 * series: [{key, name, tone}], a tone being a colour of css/chart.css; format
 * turns a value into words; isTime: values are seconds.
 */
import {h, replace, svg} from './dom.js';
import {clock, day} from './format.js';

const HEIGHT = 180;
const EDGE = {left: 58, right: 10, top: 10, bottom: 24};
const CLOCK_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800];
const KEYS = {ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1,
	PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity};

const isThere = (value) => value !== null && value !== undefined;

/* -- scales (pure) ------------------------------------------------------- */

/* Between two marks of the values: 1, 2 or 5 times a power of ten; of seconds
 * also what a clock shows. */
export function niceStep(rough, isTime) {
	const power = 10 ** Math.floor(Math.log10(rough));
	const onClock = isTime && rough > 1 && CLOCK_STEPS.find((step) => step >= rough);

	return onClock || [1, 2, 5, 10].map((m) => m * power).find((step) => step >= rough * 0.999);
}

function valueScale({points, series, stacked, isTime}) {
	const tops = points.map((point) => {
		const values = series.map(({key}) => point[key] ?? 0);
		return stacked ? values.reduce((a, b) => a + b, 0) : Math.max(...values);
	});
	const highest = Math.max(...tops) || 1;
	const step = Math.max(niceStep(highest / 3, isTime), stacked ? 1 : 0);

	return {step, top: Math.ceil(highest / step) * step};
}

/* At full hours of the reader's clock, at most `room` of them, else at both
 * ends: [{index, text}] */
export function timeMarks(points, room) {
	const times = points.map(({at}) => new Date(at));
	const hours = (times.at(-1) - times[0]) / 3600e3;
	const every = [1, 2, 3, 4, 6, 12, 24].find((e) => hours / e <= room) ?? 48;
	const marks = [];

	times.forEach((at, index) => {
		const isDay = at.getHours() === 0;
		if (at.getMinutes() !== 0 || (every <= 24 ? at.getHours() % every !== 0 : !isDay))
			return;
		if (every <= 24 || at.getDate() % 2 === 1)
			marks.push({index, text: isDay ? day(at).slice(5) : clock(at).slice(0, 5)});
	});
	if (marks.length === 0) /* of less than an hour */
		return [0, times.length - 1].map((index) => ({index, text: clock(times[index])}));
	return marks;
}

function plot(chart, width) {
	const w = width - EDGE.left - EDGE.right, height = HEIGHT - EDGE.top - EDGE.bottom;
	const scale = valueScale(chart), slot = w / chart.points.length;

	return {width, height, scale, slot, w,
		x: (index) => EDGE.left + (index + 0.5) * slot,
		y: (value) => EDGE.top + height * (1 - value / scale.top)};
}

/* -- what is drawn ------------------------------------------------------- */

function axes(chart, at) {
	const parts = [];

	for (let value = 0; value <= at.scale.top * 1.001; value += at.scale.step) {
		const y = Math.round(at.y(value)) + 0.5;
		parts.push(svg('line', {class: 'chart-grid', x1: EDGE.left, x2: at.width - EDGE.right, y1: y, y2: y}),
			svg('text', {class: 'chart-mark end', x: EDGE.left - 6, y: y + 4}, chart.format(value)));
	}
	for (const {index, text} of timeMarks(chart.points, at.w / 60))
		parts.push(svg('text', {class: 'chart-mark middle', x: Math.min(at.x(index), at.width - 26), y: HEIGHT - 7}, text));
	return parts;
}

function bar(chart, at, point, index) {
	const wide = Math.max(at.slot - (at.slot > 4 ? 1.5 : 0.5), 0.5);
	let below = 0;

	return chart.series.filter(({key}) => point[key] > 0).map(({key, tone}) => {
		const foot = at.y(below), head = at.y(below += point[key]);
		return svg('rect', {class: `fill-${tone}`, x: at.x(index) - wide / 2, width: wide,
			y: head, height: Math.max(foot - head, 1)});
	});
}

/* Runs of neighbours that have a value: a line is broken where there is none. */
function runs(points, key) {
	const all = [];
	let run = null;

	points.forEach((point, index) => {
		if (!isThere(point[key]))
			run = null;
		else if (run !== null)
			run.push(index);
		else
			all.push(run = [index]);
	});
	return all;
}

function line({key, tone}, chart, at) {
	const place = (index) => `${at.x(index).toFixed(1)},${at.y(chart.points[index][key]).toFixed(1)}`;

	return runs(chart.points, key).map((run) => run.length > 1 ?
		svg('polyline', {class: `line-${tone}`, points: run.map(place).join(' ')}) :
		svg('circle', {class: `fill-${tone}`, cx: at.x(run[0]), cy: at.y(chart.points[run[0]][key]), r: 2.5}));
}

function nothing(chart, at) {
	return !chart.points.some((point) => chart.series.some(({key}) => point[key])) &&
		svg('text', {class: 'chart-mark middle', x: EDGE.left + at.w / 2, y: EDGE.top + at.height / 3}, 'nothing in this time');
}

function drawAll(chart, at, cursor) {
	return [nothing(chart, at), axes(chart, at), cursor, chart.stacked ?
		chart.points.map((point, index) => bar(chart, at, point, index)) :
		chart.series.map((one) => line(one, chart, at))];
}

/* -- what is said -------------------------------------------------------- */

const timeOf = (point) => `${day(point.at)} ${clock(point.at).slice(0, 5)}`;

function words(chart, point) {
	return `${timeOf(point)}: ${chart.series.map(({key, name}) =>
		`${name} ${isThere(point[key]) ? chart.format(point[key]) : '–'}`).join(', ')}`;
}

function legend(chart) {
	return h('ul', {class: 'legend'}, chart.series.map(({name, tone}) =>
		h('li', null, h('span', {class: `key key-${tone}`, 'aria-hidden': 'true'}), name)));
}

function asTable(chart) {
	return h('table', {class: 'chart-figures'},
		h('caption', {class: 'visually-hidden'}, chart.title),
		h('thead', null, h('tr', null, h('th', {scope: 'col'}, 'From'),
			chart.series.map(({name}) => h('th', {scope: 'col'}, name)))),
		h('tbody', null, chart.points.map((point) => h('tr', null,
			h('th', {scope: 'row'}, timeOf(point)), chart.series.map(({key}) =>
				h('td', null, isThere(point[key]) ? chart.format(point[key]) : '–'))))));
}

/* Made when it is opened: hundreds of rows that few want. */
function table(chart) {
	const inside = h('div', {class: 'scroll', tabindex: 0, role: 'region', 'aria-label': `${chart.title}, as a table`});
	const el = h('details', {class: 'chart-table'}, h('summary', null, 'As a table'), inside);

	el.addEventListener('toggle', () => replace(inside, el.open && asTable(chart)));
	return el;
}

/* -- reading it ---------------------------------------------------------- */

/* choose(index) and leave() for whoever moves about. */
function reader(chart, picture, readout, view) {
	const last = chart.points.length - 1;
	let chosen = last;

	function choose(index) {
		chosen = Math.min(Math.max(index, 0), last);
		readout.textContent = words(chart, chart.points[chosen]);
		picture.setAttribute('aria-valuenow', chosen);
		picture.setAttribute('aria-valuetext', readout.textContent);
		view.cursor.setAttribute('x', view.at.x(chosen) - view.at.slot / 2);
		view.cursor.setAttribute('visibility', 'visible');
	}
	function leave() {
		readout.textContent = '\u00a0';
		view.cursor.setAttribute('visibility', 'hidden');
	}
	picture.addEventListener('keydown', (event) => {
		if (!(event.key in KEYS))
			return;
		event.preventDefault();
		choose(chosen + KEYS[event.key]);
	});
	picture.addEventListener('pointermove', (event) => choose(Math.floor(
		(event.clientX - picture.getBoundingClientRect().left - EDGE.left) / view.at.slot)));
	picture.addEventListener('pointerleave', leave);
	picture.addEventListener('focus', () => choose(chosen));
	picture.addEventListener('blur', leave);
}

export function chart(chart) {
	const last = chart.points.length - 1, view = {};
	const readout = h('p', {class: 'readout'}, '\u00a0');
	const picture = svg('svg', {class: 'chart', height: HEIGHT, tabindex: 0, role: 'slider',
		'aria-label': chart.title, 'aria-valuemin': 0, 'aria-valuemax': last,
		'aria-valuenow': last, 'aria-valuetext': words(chart, chart.points[last])});
	const figure = h('figure', {class: 'chart-figure'}, h('figcaption', null,
		h('h3', null, chart.title), legend(chart)), picture, readout, table(chart));

	function draw(width) {
		view.at = plot(chart, width);
		view.cursor = svg('rect', {class: 'chart-cursor', y: EDGE.top, height: view.at.height,
			width: Math.max(view.at.slot, 2), visibility: 'hidden'});
		picture.setAttribute('width', width);
		replace(picture, drawAll(chart, view.at, view.cursor));
	}
	const watch = new ResizeObserver(([{contentRect: {width}}]) => {
		if (width > 0)
			draw(Math.floor(width));
		if (!figure.isConnected)
			watch.disconnect();
	});
	draw(320);
	watch.observe(figure);
	reader(chart, picture, readout, view);
	return figure;
}

/* A small one without words, for a place that links to the whole. */
export function sparkline({points, series}, title) {
	const at = {...plot({points, series, stacked: true}, 240), slot: 240 / points.length};
	const chart = {points, series};

	at.x = (index) => (index + 0.5) * at.slot;
	at.y = (value) => 40 * (1 - value / at.scale.top);
	return svg('svg', {class: 'sparkline', viewBox: '0 0 240 40', preserveAspectRatio: 'none',
		role: 'img', 'aria-label': title}, points.map((point, index) => bar(chart, at, point, index)));
}
