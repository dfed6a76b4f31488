/*
 * A table that is updated in place: rows keep their elements as long as their
 * key stays, so that focus, selection and what is under the pointer do not
 * move for a number that changed. On a phone its rows become cards (the names
 * of columns come from data-label).
 */
import {add, h, replace} from './dom.js';

/*
 * columns: [{name, cell(row) -> node or text, class, label}]; key(row) -> text.
 * Returns {el, update(rows), patch(row)}: patch draws one row anew, if it is
 * there. href(row): where Enter and a click on the row lead.
 */
export function table({caption, columns, key, empty, rowClass}) {
	const body = h('tbody');
	const grid = h('table', {class: 'table'}, h('caption', {class: 'unseen'}, caption),
		h('thead', null, h('tr', null, columns.map((c) =>
			h('th', {scope: 'col', class: c.class}, c.name)))), body);
	const none = h('div', {class: 'table-empty', hidden: true});
	const el = h('div', {class: 'table-box'}, grid, none);
	const shown = new Map(); /* key -> tr */

	const draw = (tr, row) => {
		tr.className = rowClass?.(row) ?? '';
		replace(tr, columns.map((c) => h('td', {class: c.class, 'data-label': c.label ?? c.name},
			c.cell(row))));
		return tr;
	};

	return {
		el,
		update(rows) {
			const wanted = new Set(rows.map(key));
			for (const [k, tr] of shown)
				if (!wanted.has(k)) {
					tr.remove();
					shown.delete(k);
				}
			let at = body.firstChild;
			for (const row of rows) {
				const k = key(row);
				const old = shown.get(k);
				const tr = old ?? h('tr', {'data-key': k});

				if (!old || !holdsFocus(tr))
					draw(tr, row);
				shown.set(k, tr);
				if (tr === at)
					at = at.nextSibling;
				else
					body.insertBefore(tr, at);
			}
			grid.hidden = rows.length === 0;
			none.hidden = rows.length > 0;
			if (rows.length === 0)
				replace(none, typeof empty === 'function' ? empty() : add(h('p'), empty));
		},
		patch(row) {
			const tr = shown.get(key(row));
			if (tr && !holdsFocus(tr))
				draw(tr, row);
			return Boolean(tr);
		},
		has: (k) => shown.has(k),
	};
}

function holdsFocus(tr) {
	return tr.contains(document.activeElement) && document.activeElement !== tr;
}
