/* Where it begins: the pages, the login, and then the page that was asked for. */
import {h, replace} from './dom.js';
import {onLoginOver} from './api.js';
import {endPage, go, page, start, url, BASE} from './router.js';
import {startLive, stopLive} from './live.js';
import {startKeys} from './keys.js';
import {applyTheme} from './theme.js';
import {begin, forget, logout} from './session.js';
import {freshMain, markCurrent, sectionsFor, showError, showShell} from './shell.js';
import {toast} from './dialog.js';
import {keepTimes, problem} from './widgets.js';
import {showLogin} from './pages/login.js';
import overview from './pages/overview.js';
import jobs from './pages/jobs.js';
import job from './pages/job.js';
import runners from './pages/runners.js';
import components from './pages/components.js';
import component from './pages/component.js';
import system from './pages/system.js';
import audit from './pages/audit.js';
import admin from './pages/admin.js';
import missing from './pages/missing.js';

const app = document.getElementById('app');
let started = false, asking = false;

page('/', overview);
page('/jobs', jobs);
page('/jobs/:id', job);
page('/runners', runners);
page('/components', components);
page('/components/:instance', component);
page('/system', system);
page('/audit', audit);
page('/admin', admin);

async function leave() {
	try {
		await logout();
	} catch (error) {
		toast(error.message, 'bad');
		return;
	}
	history.replaceState(null, '', BASE);
	login();
}

/* Comes back to where they were. */
function login() {
	const back = location.pathname + location.search + location.hash;

	if (asking)
		return; /* several calls found it out at once */
	asking = true;
	stopLive();
	endPage();
	showLogin(app, () => {
		asking = false;
		history.replaceState(null, '', back);
		enter();
	});
}

function enter() {
	showShell(app, leave);
	startLive();
	if (started) {
		go(location.pathname + location.search + location.hash, {replace: true});
		return;
	}
	started = true;
	keepTimes(new AbortController().signal);
	startKeys(() => asking ? [] : sectionsFor().map((s) => ({key: s.key, text: s.name, go: () => go(url(s.path))})));
	start({root: freshMain, onShow: markCurrent, onError: showError, missing});
}

async function boot() {
	try {
		if (await begin())
			enter();
		else
			login();
	} catch (error) {
		replace(app, h('main', {class: 'alone'}, problem(error, boot)));
	}
}

onLoginOver(() => {
	forget();
	login();
});
applyTheme();
boot();
