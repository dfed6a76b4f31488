/* The few pictures, drawn here. All are decoration: words stand beside them. */
import {svg} from './dom.js';

const PATHS = {
	brand: ['M4 5.5l7 6.5-7 6.5', 'M13 5.5l7 6.5-7 6.5'],
	overview: ['M3 11.5L12 4l9 7.5', 'M5.5 10v9.5h13V10'],
	jobs: ['M4 6h16', 'M4 12h16', 'M4 18h10'],
	runners: ['M4 5h16v6H4z', 'M4 13h16v6H4z', 'M7.5 8h.01', 'M7.5 16h.01'],
	components: ['M12 3l8 4.5v9L12 21l-8-4.5v-9z', 'M4 7.5l8 4.5 8-4.5', 'M12 12v9'],
	system: ['M4 19V9', 'M9.3 19V5', 'M14.7 19v-7', 'M20 19V8'],
	audit: ['M12 3l7 3v5.5c0 4.5-3 7.7-7 9.5-4-1.8-7-5-7-9.5V6z', 'M9 11.8l2.2 2.2L15.2 10'],
	admin: ['M12 12a4 4 0 100-8 4 4 0 000 8z', 'M4.5 20.5c.8-4 3.8-6 7.5-6s6.7 2 7.5 6'],
	menu: ['M4 7h16', 'M4 12h16', 'M4 17h16'],
	close: ['M6 6l12 12', 'M18 6L6 18'],
	sun: ['M12 8a4 4 0 100 8 4 4 0 000-8z', 'M12 2.5v2', 'M12 19.5v2', 'M2.5 12h2', 'M19.5 12h2',
		'M5.3 5.3l1.4 1.4', 'M17.3 17.3l1.4 1.4', 'M5.3 18.7l1.4-1.4', 'M17.3 6.7l1.4-1.4'],
	moon: ['M20 14.5A8.5 8.5 0 119.5 4a7 7 0 0010.5 10.5z'],
	auto: ['M12 3.5a8.5 8.5 0 100 17z', 'M12 3.5a8.5 8.5 0 010 17'],
	up: ['M6 15l6-6 6 6'],
	down: ['M6 9l6 6 6-6'],
	left: ['M15 6l-6 6 6 6'],
	right: ['M9 6l6 6-6 6'],
	search: ['M11 4.5a6.5 6.5 0 100 13 6.5 6.5 0 000-13z', 'M16 16l4.5 4.5'],
	download: ['M12 4v11', 'M7 10.5l5 5 5-5', 'M5 20h14'],
	copy: ['M9 9h11v11H9z', 'M5 15H4V4h11v1'],
	newest: ['M12 4v12', 'M7 11.5l5 5 5-5', 'M5 20h14'],
	wait: ['M12 4a8 8 0 100 16 8 8 0 000-16z', 'M12 8v4.5l3 2'],
	/* states */
	queued: ['M12 5a7 7 0 100 14 7 7 0 000-14z'],
	running: ['M12 4.5A7.5 7.5 0 1019.5 12'],
	completed: ['M5 12.5l4.5 4.5L19 7.5'],
	failed: ['M7 7l10 10', 'M17 7L7 17'],
	cancelled: ['M12 4.5a7.5 7.5 0 100 15 7.5 7.5 0 000-15z', 'M7 17L17 7'],
	skipped: ['M7 6l6 6-6 6', 'M16 6v12'],
	warning: ['M12 4L2.8 20h18.4z', 'M12 10v4.5', 'M12 17.3h.01'],
};

export function icon(name, className = '') {
	return svg('svg', {class: `icon ${className}`.trim(), viewBox: '0 0 24 24',
		'aria-hidden': 'true', focusable: 'false'},
	(PATHS[name] ?? []).map((d) => svg('path', {d})));
}

/* What a state looks like: of jobs, steps, runners and components. */
const STATES = {
	pending: ['wait', 'waiting'], queued: ['queued', 'waiting'], waiting: ['queued', 'waiting'],
	assigned: ['wait', 'active'], starting: ['wait', 'active'], running: ['running', 'active'],
	busy: ['running', 'active'], stopping: ['wait', 'active'],
	completed: ['completed', 'good'], idle: ['completed', 'good'], ready: ['completed', 'good'],
	failed: ['failed', 'bad'], error: ['failed', 'bad'], offline: ['cancelled', 'bad'],
	cancelled: ['cancelled', 'off'], stopped: ['cancelled', 'off'], skipped: ['skipped', 'off'],
};

/* 'waiting', 'active', 'good', 'bad' or 'off': the tone of a state. */
export function toneOf(state) {
	return (STATES[state] ?? ['queued', 'off'])[1];
}

export function iconOf(state) {
	const [name, tone] = STATES[state] ?? ['queued', 'off'];

	return icon(name, `tone-${tone}${name === 'running' ? ' turning' : ''}`);
}
