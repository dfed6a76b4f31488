/* Now: what waits, what runs, and what the hub has room for. */
import {add, h} from '../dom.js';
import {figure, pageHead} from '../widgets.js';
import {subscribe} from '../live.js';
import {between, duration} from '../format.js';

export default {
	title: 'Overview',
	render(root, params, signal) {
		const running = figure('Running'), waiting = figure('Waiting'), oldest = figure('Oldest wait');

		add(root, pageHead('Overview'), h('div', {class: 'figures'}, running.el, waiting.el, oldest.el));
		subscribe('metrics', (m) => {
			running.set(m.running, `of ${m.slots} slots`);
			waiting.set(m.waiting);
			oldest.set(m.oldestWaitingSince ? duration(between(m.oldestWaitingSince)) : '–');
		}, signal);
	},
};
