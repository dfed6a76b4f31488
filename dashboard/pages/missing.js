/* An address below /dashboard that names no page. */
import {add, h} from '../dom.js';
import {pageHead} from '../widgets.js';
import {url} from '../router.js';

export default {
	title: 'No such page',
	render(root) {
		add(root, pageHead('No such page'), h('p', null, 'Nothing is at ', h('code', null, location.pathname),
			'. ', h('a', {href: url('/')}, 'To the overview')));
	},
};
