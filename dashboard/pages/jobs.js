/* Jobs: what was, is and waits. */
import {add, h} from '../dom.js';
import {api} from '../api.js';
import {badge, fill, pageHead, time} from '../widgets.js';
import {table} from '../table.js';
import {url} from '../router.js';

export default {
	title: 'Jobs',
	render(root, params, signal) {
		const list = table({
			caption: 'Jobs', key: (j) => j.id, empty: 'No job yet.',
			columns: [{name: 'Status', cell: (j) => badge(j.status)},
				{name: 'Job', cell: (j) => h('a', {class: 'row-link', href: url(`/jobs/${j.id}`)}, j.workflow ?? j.jobId)},
				{name: 'Repository', cell: (j) => j.repository}, {name: 'Delegated', cell: (j) => time(j.createdAt)}],
		});
		const box = h('div');

		add(root, pageHead('Jobs'), box);
		return fill(box, async () => {
			list.update(await api.get('/api/jobs', {signal}));
			return list.el;
		}, signal);
	},
};
