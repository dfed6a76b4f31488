/*
 * A table that is updated in place: a row keeps its element as long as its key
 * stays and is drawn anew only when its data changed, so that what is under the
 * pointer does not move for a number. On a phone rows become cards (data-label
 * names their cells).
 */
import {add, h, replace} from './dom.js';

/* The row's place in the order of focus is kept when it is drawn anew. */
function drawKeepingFocus(tr, draw) {
	const list = () => [...tr.querySelectorAll('a[href], button, input, select')];
	const at = list().indexOf(document.activeElement);

	draw();
	if (at >= 0)
		(list()[at] ?? list()[0])?.focus({preventScroll: true});
}

/*
 * columns: [{name, cell(row) -> node or text, class, label}]; key(row) -> text;
 * empty: what stands there instead of rows, or a function that makes it.
 * Returns {el, update(rows), patch(row), has(key)}: update shows these rows and
 * no others, patch draws one anew where it is, if it is there.
 */
export function table({caption, columns, key, empty, rowClass}) {
	const body = h('tbody');
	const grid = h('table', {class: 'table'}, h('caption', {class: 'unseen'}, caption),
		h('thead', null, h('tr', null, columns.map((c) =>
			h('th', {scope: 'col', class: c.class}, c.name)))), body);
	const none = h('div', {class: 'table-empty', hidden: true});
	const el = h('div', {class: 'table-box'}, grid, none);
	const shown = new Map(); /* key -> {tr, text} */

	const draw = (entry, row) => {
		const text = JSON.stringify(row);

		if (entry.text === text)
			return;
		entry.text = text;
		entry.tr.className = rowClass?.(row) ?? '';
		drawKeepingFocus(entry.tr, () => replace(entry.tr, columns.map((c) =>
			h('td', {class: c.class, 'data-label': c.label ?? c.name}, c.cell(row)))));
	};
	const drop = (wanted) => {
		for (const [k, {tr}] of shown)
			if (!wanted.has(k)) {
				tr.remove();
				shown.delete(k);
			}
	};

	return {
		el,
		update(rows) {
			drop(new Set(rows.map(key)));
			let at = body.firstChild;
			for (const row of rows) {
				const entry = shown.get(key(row)) ?? {tr: h('tr', {'data-key': key(row)}), text: null};

				draw(entry, row);
				shown.set(key(row), entry);
				if (entry.tr === at)
					at = at.nextSibling;
				else
					body.insertBefore(entry.tr, at);
			}
			grid.hidden = rows.length === 0;
			none.hidden = rows.length > 0;
			if (rows.length === 0)
				replace(none, typeof empty === 'function' ? empty() : add(h('p'), empty));
		},
		patch(row) {
			const entry = shown.get(key(row));

			if (entry)
				draw(entry, row);
			return Boolean(entry);
		},
		has: (k) => shown.has(k),
	};
}
