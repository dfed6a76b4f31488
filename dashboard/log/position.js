/*
 * Where a reader is in a list of any length: the arithmetic, without a browser.
 *
 * A place is {line, px}: the line at the top of the window and how much of it
 * is above. Heights of lines are known for those that were drawn and guessed
 * for the others (heightOf). A browser bears elements of some millions of
 * pixels only, so the bar scrolls a span that is shorter than the list: a drag
 * of the bar is translated, while small steps move by pixels and the bar is
 * put right afterwards.
 */

/* Firefox gives up at 17.8 million, Chromium at 33.5 million. */
export const SPAN_MAX = 8_000_000;

/* How high the scrolled element is. */
export function span(total, lineHeight) {
	return Math.min(total * lineHeight, SPAN_MAX);
}

/* From the bar to a place, and back. list: {total, lineHeight, view} with view
 * the height of the window. */
export function placeOf(scrollTop, {total, lineHeight, view}) {
	const room = span(total, lineHeight) - view;
	const all = total * lineHeight - view;

	if (room <= 0 || total === 0)
		return {line: 0, px: 0};
	const at = Math.min(Math.max(scrollTop / room, 0), 1) * all;
	const line = Math.min(Math.floor(at / lineHeight), total - 1);
	return {line, px: at - line * lineHeight};
}

export function scrollTopOf(place, {total, lineHeight, view}, heightOf) {
	const room = span(total, lineHeight) - view;
	const all = total * lineHeight - view;

	if (room <= 0 || all <= 0)
		return 0;
	/* Part of a line, as if it had the common height. */
	const px = place.px * lineHeight / heightOf(place.line);
	return Math.min(Math.max((place.line * lineHeight + px) / all, 0), 1) * room;
}

/* The place that is px further down (up when negative). */
export function moved(place, px, total, heightOf) {
	let {line} = place;
	let at = place.px + px;

	while (at < 0 && line > 0)
		at += heightOf(--line);
	while (line < total - 1 && at >= heightOf(line))
		at -= heightOf(line++);
	return {line, px: Math.max(at, 0)};
}

/* Where the last line stands at the bottom of the window. */
export function atEnd({total, view}, heightOf) {
	if (total === 0)
		return {line: 0, px: 0};
	let line = total - 1;
	let sum = heightOf(line);

	while (line > 0 && sum < view)
		sum += heightOf(--line);
	return {line, px: Math.max(sum - view, 0)};
}

/* No further than the end. */
export function clamped(place, list, heightOf) {
	const end = atEnd(list, heightOf);

	return place.line > end.line || (place.line === end.line && place.px > end.px) ? end : place;
}

/* So that `line` stands a third down the window. */
export function around(line, list, heightOf) {
	const there = {line: Math.min(Math.max(line, 0), Math.max(list.total - 1, 0)), px: 0};

	return clamped(moved(there, -Math.floor(list.view / 3), list.total, heightOf), list, heightOf);
}

/* Which lines to draw, with some beyond both edges: [from, to). */
export function window(place, {total, view}, heightOf, beyond) {
	const from = Math.max(place.line - beyond, 0);
	let to = place.line;
	let sum = -place.px;

	while (to < total && sum < view)
		sum += heightOf(to++);
	return [from, Math.min(to + beyond, total)];
}
