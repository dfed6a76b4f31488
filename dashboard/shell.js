/*
 * What stands around every page: navigation, how live it is, who is logged in,
 * and the element that pages fill.
 */
import {announce, h, replace, setText} from './dom.js';
import {icon} from './icons.js';
import {clock} from './format.js';
import {button, problem} from './widgets.js';
import {retryNow, watchState} from './live.js';
import {nextTheme, theme} from './theme.js';
import {isOpen, may, who} from './session.js';
import {reload, url} from './router.js';

/* `key` follows a g; `own` are patterns below it that mark it as current. */
export const SECTIONS = [
	{path: '/', name: 'Overview', icon: 'overview', key: 'o'},
	{path: '/jobs', name: 'Jobs', icon: 'jobs', key: 'j', own: ['/jobs/:id']},
	{path: '/runners', name: 'Runners', icon: 'runners', key: 'r'},
	{path: '/components', name: 'Components', icon: 'components', key: 'c', own: ['/components/:instance']},
	{path: '/system', name: 'System', icon: 'system', key: 's'},
	{path: '/audit', name: 'Audit', icon: 'audit', key: 'a', role: 'admin'},
	{path: '/admin', name: 'Access', icon: 'admin', key: 'p'},
];

const main = h('main', {id: 'main', tabindex: '-1'});
let links = [];

export function sectionsFor() {
	return SECTIONS.filter((s) => !s.role || may(s.role));
}

/* -- live or not --------------------------------------------------------- */

const WORDS = {
	live: () => 'Live',
	connecting: () => 'Connecting…',
	paused: () => 'Paused while hidden',
	lost: ({at}) => at === null ? 'No connection' : `Reconnecting – as of ${clock(at)}`,
};

function liveSign() {
	const words = h('span', {class: 'live-words'});
	const el = h('button', {type: 'button', class: 'live', title: 'Connection to the hub',
		onclick: retryNow}, h('span', {class: 'live-dot', 'aria-hidden': 'true'}), words);
	let was = null;

	watchState((state) => {
		el.dataset.state = state.state;
		document.body.dataset.live = state.state;
		setText(words, WORDS[state.state](state));
		if (was !== null && (state.state === 'lost' || was === 'lost'))
			announce(words.textContent);
		was = state.state;
	});
	return el;
}

/* -- the bars -------------------------------------------------------------- */

function themeButton() {
	const NAMES = {auto: 'as the system', light: 'light', dark: 'dark'};
	const ICONS = {auto: 'auto', light: 'sun', dark: 'moon'};
	const el = h('button', {type: 'button', class: 'icon-button', id: 'theme'});
	const draw = (name) => {
		replace(el, icon(ICONS[name]));
		el.setAttribute('aria-label', `Colours: ${NAMES[name]}`);
		el.title = `Colours: ${NAMES[name]}`;
	};

	el.addEventListener('click', () => draw(nextTheme()));
	draw(theme());
	return el;
}

function account(onLogout) {
	const me = who();

	if (isOpen())
		return h('span', {class: 'account', title: 'No user and no key yet: see docs/SECURITY.md'},
			h('span', {class: 'account-name'}, 'Open'), h('span', {class: 'quiet'}, 'this machine only'));
	return h('span', {class: 'account'},
		h('span', {class: 'account-name', id: 'who'}, me.name ?? (me.kind === 'key' ? 'API key' : me.kind)),
		h('span', {class: 'role', id: 'role'}, me.role),
		button('Log out', onLogout, {kind: 'plain'}));
}

function navigation() {
	const list = h('ul', {class: 'nav-list'}, sectionsFor().map((s) => h('li', null,
		h('a', {href: url(s.path), class: 'nav-link', 'data-path': s.path}, icon(s.icon), h('span', null, s.name)))));

	links = [...list.querySelectorAll('a')];
	return h('nav', {class: 'nav', id: 'nav', 'aria-label': 'Pages'}, list);
}

function brand() {
	return h('a', {href: url('/'), class: 'brand', 'aria-label': 'RunnerHub, overview'},
		icon('brand', 'brand-mark'), h('span', null, 'RunnerHub'));
}

/* Once logged in. */
export function showShell(app, onLogout) {
	const menu = h('button', {type: 'button', class: 'icon-button menu', 'aria-controls': 'nav',
		'aria-expanded': 'false', 'aria-label': 'Menu', onclick: () => openMenu(!isMenuOpen())}, icon('menu'));

	replace(app, h('a', {class: 'skip', href: '#main'}, 'To the content'),
		h('header', {class: 'top'}, menu, brand(), h('div', {class: 'top-end'}, liveSign(), themeButton(),
			account(onLogout))),
		h('div', {class: 'body'}, navigation(), main),
		h('div', {id: 'toasts', class: 'toasts'}),
		h('div', {id: 'said', class: 'unseen', role: 'status', 'aria-live': 'polite'}));
}

function isMenuOpen() {
	return document.body.classList.contains('menu-open');
}

function openMenu(open) {
	document.body.classList.toggle('menu-open', open);
	document.querySelector('.menu')?.setAttribute('aria-expanded', String(open));
}

/* -- for the router -------------------------------------------------------- */

/* An empty element for the next page. */
export function freshMain() {
	openMenu(false);
	return replace(main);
}

export function markCurrent(pattern) {
	for (const link of links) {
		const section = SECTIONS.find((s) => s.path === link.dataset.path);
		const current = section.path === pattern || section.own?.includes(pattern);

		if (current)
			link.setAttribute('aria-current', 'page');
		else
			link.removeAttribute('aria-current');
	}
}

export function showError(root, error) {
	replace(root, problem(error, reload));
}

addEventListener('keydown', (event) => {
	if (event.key === 'Escape' && isMenuOpen()) {
		openMenu(false);
		document.querySelector('.menu').focus();
	}
});
