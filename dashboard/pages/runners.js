/* Runners and how they are. */
import {add, h} from '../dom.js';
import {api} from '../api.js';
import {badge, fill, pageHead, time} from '../widgets.js';
import {table} from '../table.js';

export default {
	title: 'Runners',
	render(root, params, signal) {
		const list = table({
			caption: 'Runners', key: (r) => r.id, empty: 'No runner is registered.',
			columns: [{name: 'Name', cell: (r) => r.name}, {name: 'Status', cell: (r) => badge(r.status)},
				{name: 'Last heartbeat', cell: (r) => time(r.lastHeartbeat)}],
		});
		const box = h('div');

		add(root, pageHead('Runners'), box);

		return fill(box, async () => {
			list.update(await api.get('/api/runners', {signal, query: {limit: 100}}));
			return list.el;
		}, signal);
	},
};
