/* Numbers and times as people read them. Pure: tested without a browser. */

const two = (n) => String(n).padStart(2, '0');

/* Milliseconds: 0.3 ms, 12 ms, 1.2 s, 48 s, 3 min 07 s, 2 h 05 min, 3 d 04 h */
export function duration(ms) {
	if (ms === null || ms === undefined || Number.isNaN(ms))
		return '–';
	if (ms < 1)
		return `${Math.max(ms, 0).toFixed(1)} ms`;
	if (ms < 1000)
		return `${Math.round(ms)} ms`;
	if (ms < 9950)
		return `${(ms / 1000).toFixed(1)} s`;
	return longDuration(Math.round(ms / 1000));
}

function longDuration(s) {
	if (s < 60)
		return `${s} s`;
	if (s < 3600)
		return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
	if (s < 86400)
		return `${Math.floor(s / 3600)} h ${two(Math.floor(s % 3600 / 60))} min`;
	return `${Math.floor(s / 86400)} d ${two(Math.floor(s % 86400 / 3600))} h`;
}

/* What ticks: whole seconds, so that it does not jump about. */
export function ticking(ms) {
	return longDuration(Math.max(0, Math.floor(ms / 1000)));
}

export function bytes(n) {
	const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
	let i = 0;

	if (n === null || n === undefined)
		return '–';
	for (; n >= 1024 && i < units.length - 1; i++)
		n /= 1024;
	return `${i === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}

/* 1 234 567 with thin spaces between the thousands */
export function number(n) {
	if (n === null || n === undefined)
		return '–';
	return String(n).replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f');
}

/* '1 job', '2 jobs' */
export function count(n, word, words = `${word}s`) {
	return `${number(n)} ${n === 1 ? word : words}`;
}

export function percent(part, whole) {
	return whole > 0 ? `${Math.round(100 * part / whole)} %` : '–';
}

/* -- times: ISO text or ms since 1970, shown in the reader's zone -------- */

function date(time) {
	return time === null || time === undefined ? null : new Date(time);
}

export function clock(time) {
	const d = date(time);

	return d === null ? '–' : `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/* With milliseconds, for lines of a log. */
export function preciseClock(time) {
	const d = date(time);

	return d === null ? '' : `${clock(time)}.${String(d.getMilliseconds()).padStart(3, '0')}`;
}

export function day(time) {
	const d = date(time);

	return d === null ? '–' : `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
}

export function dateTime(time) {
	return date(time) === null ? '–' : `${day(time)} ${clock(time)}`;
}

/* Today only the clock. */
export function shortTime(time, now = Date.now()) {
	if (date(time) === null)
		return '–';
	return day(time) === day(now) ? clock(time) : dateTime(time).slice(0, 16);
}

/* 'just now', '3 min ago', '2 h ago', then the date */
export function ago(time, now = Date.now()) {
	const d = date(time);

	if (d === null)
		return '–';
	const s = Math.floor((now - d.getTime()) / 1000);
	if (s < 5)
		return 'just now';
	if (s < 60)
		return `${s} s ago`;
	if (s < 3600)
		return `${Math.floor(s / 60)} min ago`;
	if (s < 86400)
		return `${Math.floor(s / 3600)} h ago`;
	return day(time);
}

/* Milliseconds between two times; an open end counts until now. */
export function between(from, to, now = Date.now()) {
	if (!from)
		return null;
	return Math.max(0, (to ? date(to).getTime() : now) - date(from).getTime());
}

/* The first of an id that tells it apart among few; UUIDv7 begin with their
 * time, so it is the end that differs. */
export function shortId(id) {
	return id ? id.slice(-8) : '–';
}
