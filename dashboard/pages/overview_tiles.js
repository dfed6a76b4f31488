/* The figures at the top of the overview, each a link to what is behind it. */
import {api} from '../api.js';
import {componentsGet} from '../component_api.js';
import {h, setText} from '../dom.js';
import {bytes, number, percent, ticking} from '../format.js';
import {url} from '../router.js';

function tile(name, href) {
	const value = h('span', {class: 'tile-value'}, '–'), note = h('span', {class: 'tile-note', dir: 'auto'});
	const el = h('a', {class: 'tile', href}, h('span', {class: 'tile-name'}, name), value, note);

	return {el, set(text, more = '', tone = '') {
		setText(value, text);
		setText(note, more);
		el.className = `tile ${tone && `tile-${tone}`}`.trim();
	}};
}

const list = (...words) => words.filter(Boolean).join(', ');
const some = (n, word) => n > 0 && `${number(n)} ${word}`;

function showEngine(tiles, {engine, storage}) {
	tiles.engine.set(engine.up ? 'up' : 'down', engine.up ?
		list(`${engine.product ?? ''} ${engine.version ?? ''}`.trim()) : engine.error ?? 'it does not answer',
	engine.up ? 'good' : 'bad');
	tiles.disk.set(bytes(storage.diskFreeBytes), storage.diskFull ? 'full: no new job is taken' :
		'free for logs and store', storage.diskFull ? 'bad' : '');
}

async function readRunners(tiles, signal) {
	const total = async (status) => (await api.whole('/api/runners',
		{query: {status, limit: 1}, signal})).pagination.total;
	const [all, idle, busy, offline] = await Promise.all([total(), total('idle'), total('busy'), total('offline')]);

	tiles.runners.set(number(all), all === 0 ? 'none is registered' :
		list(some(busy, 'busy'), some(idle, 'idle'), some(offline, 'offline')), offline > 0 ? 'warn' : '');
}

async function readComponents(tiles, signal) {
	const {items} = await componentsGet('/instances', {signal});
	const by = (status) => items.filter((i) => i.status === status).length;

	tiles.components.set(number(by('running')),
		list('running', some(by('starting'), 'starting'), some(by('error'), 'failed')), by('error') > 0 ? 'warn' : '');
}

export function makeTiles() {
	const tiles = {
		running: tile('Running', url('/jobs', {status: 'running'})),
		waiting: tile('Waiting', url('/jobs', {status: 'queued'})),
		runners: tile('Runners', url('/runners')),
		components: tile('Components', url('/components')),
		engine: tile('Engine', url('/system')),
		disk: tile('Disk', url('/system')),
	};

	/* Of a metrics event; /api/system has the same words. */
	function showLoad({running, slots, waiting, oldestWaitingSince}) {
		tiles.running.set(`${number(running)} of ${number(slots)}`, slots > 0 ? `${percent(running, slots)} of the slots` : 'no slots');
		tiles.waiting.set(number(waiting), oldestWaitingSince ?
			`the oldest for ${ticking(Date.now() - new Date(oldestWaitingSince))}` : 'nobody waits');
	}
	return {
		el: h('div', {class: 'tiles'}, Object.values(tiles).map(({el}) => el)),
		showLoad,
		showSystem(system) {
			showLoad(system.capacity);
			showEngine(tiles, system);
		},
		readRunners: (signal) => readRunners(tiles, signal),
		readComponents: (signal) => readComponents(tiles, signal),
	};
}
