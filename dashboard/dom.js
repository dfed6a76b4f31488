/*
 * Making elements. Whatever comes from the hub goes through here, as text or
 * as an attribute, so that nothing that a job or a repository said is ever
 * read as markup.
 */

const SVG = 'http://www.w3.org/2000/svg';

/* Set as a property: the attribute would only be its first value. */
const PROPERTIES = new Set(['value', 'checked', 'indeterminate', 'selected']);

/* Where a link may lead: below this hub, or to a site by http(s). What a
 * repository names is not trusted to be no script. */
export function safeHref(url) {
	const text = String(url).trim();

	if (/^[/?#](?![/\\])/.test(text))
		return text;
	return /^https?:\/\//i.test(text) ? text : null;
}

function setStyle(el, style) {
	for (const [name, value] of Object.entries(style))
		el.style.setProperty(name, String(value));
}

function setOne(el, name, value) {
	if (name.startsWith('on')) {
		if (typeof value !== 'function')
			throw new TypeError(`${name} is no function`);
		el.addEventListener(name.slice(2), value);
	} else if (name === 'style') {
		setStyle(el, value);
	} else if (name === 'dataset') {
		Object.assign(el.dataset, value);
	} else if (PROPERTIES.has(name)) {
		el[name] = value;
	} else if (name === 'href') {
		const href = safeHref(value);
		if (href !== null)
			el.setAttribute('href', href);
	} else {
		el.setAttribute(name, value === true ? '' : String(value));
	}
}

function setAll(el, props) {
	for (const [name, value] of Object.entries(props ?? {}))
		if (value !== undefined && value !== null && value !== false)
			setOne(el, name, value);
}

/* Characters that turn the direction of what follows would make a name look like
 * another one: they are shown by their number. */
function plainText(value) {
	return String(value).replace(/[\u202a-\u202e\u2066-\u2069]/g, (c) =>
		`U+${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

/* Strings and numbers become text, lists are flattened, nothing is left out
 * but null, undefined and false. */
export function add(el, ...children) {
	for (const child of children.flat(Infinity))
		if (child !== null && child !== undefined && child !== false)
			el.append(child instanceof Node ? child : plainText(child));
	return el;
}

/* h('a', {href, class, onclick}, 'words', otherElement) */
export function h(tag, props, ...children) {
	const el = document.createElement(tag);

	setAll(el, props);
	return add(el, children);
}

/* The same for SVG. */
export function svg(tag, props, ...children) {
	const el = document.createElementNS(SVG, tag);

	setAll(el, props);
	return add(el, children);
}

/* Instead of what was there. */
export function replace(el, ...children) {
	el.replaceChildren();
	return add(el, children);
}

/* Only when it differs: an unchanged text keeps its selection. */
export function setText(el, text) {
	const plain = plainText(text);

	if (el.textContent !== plain)
		el.textContent = plain;
}

/* Says something to those who listen instead of looking. */
export function announce(text) {
	const el = document.getElementById('said');

	if (el)
		el.textContent = text;
}

/* Calls fn every ms while the page is seen, until the signal; once at once. */
export function every(ms, fn, signal) {
	const tick = () => document.hidden || fn();
	const timer = setInterval(tick, ms);

	document.addEventListener('visibilitychange', tick, {signal});
	signal.addEventListener('abort', () => clearInterval(timer));
	fn();
}
