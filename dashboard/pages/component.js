/* One instance of a component: how far its start is, how it does, what it says,
 * and what went wrong. */
import {componentsGet, followInstances, isOver} from '../component_api.js';
import {chart} from '../chart.js';
import {h, replace} from '../dom.js';
import {bytes, dateTime, duration, number, ticking} from '../format.js';
import {freshPanel} from '../fresh.js';
import {iconOf} from '../icons.js';
import {ComponentSource} from '../log/component_source.js';
import {LogPanel} from '../log/panel.js';
import {go, setTitle, url} from '../router.js';
import {may} from '../session.js';
import {badge, button, empty, facts, pageHead, panel, time} from '../widgets.js';
import {portLinks, start, stopAsking} from './components.js';

const STEP_STATES = {pending: 'waiting', in_progress: 'running', completed: 'completed', failed: 'failed', skipped: 'skipped'};

/* -- its start ------------------------------------------------------------- */

function stepLine(step) {
	const took = step.startedAt && step.completedAt ? duration(new Date(step.completedAt) - new Date(step.startedAt)) :
		step.progress === undefined ? '' : `${step.progress} %`;

	return h('li', {class: `step-line step-${step.status}`}, iconOf(STEP_STATES[step.status] ?? step.status),
		h('span', null, step.title, h('span', {class: 'unseen'}, `: ${step.status.replace('_', ' ')}`)),
		h('span', {class: 'quiet', dir: 'auto'}, step.status === 'in_progress' ? step.description : ''),
		h('span', {class: 'quiet num'}, took));
}

function drawStart({deploymentProgress}) {
	return deploymentProgress && panel('Start', h('ol', {class: 'step-lines'}, deploymentProgress.steps.map(stepLine)));
}

function drawFacts(instance) {
	return panel('Instance', facts(['State', badge(instance.status)],
		['Addresses', instance.status === 'running' && instance.ports.length > 0 ? portLinks(instance) : null],
		['Started', time(instance.startedAt, dateTime)], ['Stopped', instance.stoppedAt && time(instance.stoppedAt, dateTime)],
		['Exit code', instance.exitCode], ['Memory', instance.outOfMemory ? 'it ran out of memory' : null],
		['Owner', instance.owner], ['Started by', instance.startedBy], ['Commit', instance.commit],
		['Container', instance.containerId && h('code', null, instance.containerId.slice(0, 12))],
		['Id', h('code', null, instance.id)]));
}

/* -- how it does ----------------------------------------------------------- */

function drawHealth(health) {
	if (!health)
		return empty('Nothing to check', 'It does not run.');
	const bad = (health.checks ?? []).filter(({success}) => !success).at(-1);

	return [facts(['Health', badge({healthy: 'ready', unhealthy: 'error', starting: 'starting'}[health.status] ?? 'stopped',
		health.status === 'unknown' ? 'no check' : health.status)],
	['Up for', ticking(health.uptime * 1000)], ['Restarts', number(health.restartCount)],
	['Last check', health.lastCheck && time(health.lastCheck, dateTime)],
	['Answered in', health.checks?.length ? duration(health.checks.at(-1).responseTime) : null]),
	bad && h('p', {class: 'fault', dir: 'auto'}, 'A check failed: ', bad.error)];
}

function meter(name, share, text) {
	return h('div', {class: 'meter'}, h('span', {class: 'quiet'}, name), h('meter', {min: 0, max: 100,
		value: Math.min(share, 100), 'aria-label': name}), h('span', {class: 'num'}, text));
}

function drawUse(series, isRunning) {
	const stats = series.at(-1);

	if (!stats || !isRunning)
		return empty('Nothing is used', isRunning ? 'It is measured in a moment.' : 'It does not run.');
	const points = series.map(({timestamp, cpu}) => ({at: timestamp, cpu: cpu.usage}));
	return [meter('CPU', stats.cpu.usage, `${stats.cpu.usage.toFixed(1)} %`),
		meter('Memory', stats.memory.percentage, stats.memory.limit > 0 ?
			`${bytes(stats.memory.usage)} of ${bytes(stats.memory.limit)}` : bytes(stats.memory.usage)),
		facts(['Network in', bytes(stats.network.rxBytes)], ['Network out', bytes(stats.network.txBytes)],
			['Disk read', bytes(stats.io.readBytes)], ['Disk written', bytes(stats.io.writeBytes)]),
		points.length > 2 && chart({title: 'CPU', points, series: [{key: 'cpu', name: 'percent of a CPU', tone: 'active'}],
			format: (value) => `${Number(value.toPrecision(3))} %`})];
}

function drawErrors(errors) {
	if (errors.length === 0)
		return empty('No errors', 'Nothing went wrong with this instance.');
	return h('ul', {class: 'errors'}, errors.map((error) => h('li', null,
		h('div', null, time(error.context.timestamp, dateTime), ' ', h('code', null, error.code),
			error.retryable && h('span', {class: 'quiet'}, ' · may be tried again')),
		h('div', {dir: 'auto'}, error.userMessage ?? error.message))));
}

/* -- the page -------------------------------------------------------------- */

function heading(instance) {
	const again = async () => {
		const made = await start(instance.componentRef);
		if (made?.id)
			go(url(`/components/${made.id}`));
	};

	return pageHead(instance.componentRef, may('operator') && (isOver(instance) ?
		button('Start again', again, {kind: 'primary'}) :
		button(instance.status === 'starting' ? 'Give up' : 'Stop', () => stopAsking(instance), {kind: 'danger'})));
}

export default {
	title: 'Component',
	async render(root, {instance: id}, signal) {
		const at = `/instances/${encodeURIComponent(id)}`;
		let known = await componentsGet(at, {signal});
		const part = (title, name, draw, every) => freshPanel({title, every, draw,
			load: async (s) => (await componentsGet(`${at}/${name}`, {signal: s}))[name]}, signal);
		const head = h('div'), state = h('div', {class: 'panels'});
		const live = {health: part('Health', 'health', drawHealth, 5000),
			use: part('Use', 'metrics', (series) => drawUse(series, !isOver(known)), 5000),
			errors: part('Errors', 'errors', drawErrors, 15000)};
		const draw = () => {
			setTitle(known.componentRef);
			replace(head, heading(known), known.error && known.status === 'error' &&
				h('p', {class: 'banner bad', role: 'status', dir: 'auto'}, known.error));
			replace(state, drawStart(known), drawFacts(known));
		};

		const log = new LogPanel(new ComponentSource(known, signal), () => '', signal);

		draw();
		replace(root, h('p', null, h('a', {href: url('/components')}, 'All components')), head, state,
			h('div', {class: 'panels'}, live.health, live.use), live.errors, log.el);
		log.start(!isOver(known));
		followInstances(id, {instance(instance) {
			if (instance.status !== known.status)
				Object.values(live).forEach(({refresh}) => refresh());
			known = instance;
			draw();
		}}, signal);
	},
};
