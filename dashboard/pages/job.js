/* One job. */
import {add, h} from '../dom.js';
import {api} from '../api.js';
import {badge, facts, fill, pageHead} from '../widgets.js';

export default {
	title: 'Job',
	render(root, params, signal) {
		const box = h('div');

		add(root, pageHead('Job'), box);
		return fill(box, async () => {
			const job = await api.get(`/api/jobs/${encodeURIComponent(params.id)}`, {signal});
			return facts(['Status', badge(job.status)], ['Repository', job.repository]);
		}, signal);
	},
};
