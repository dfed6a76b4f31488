/*
 * The lines of a log that are here: pages of it, fetched when they are wanted,
 * and only as many as fit. Without a browser.
 */

export const PAGE = 250;
export const PAGES_MAX = 64;
const RETRY_MS = 2000;

/* fetchLines(from, limit) -> {from, total, complete, lines}; onChange() when
 * lines came or failed. */
export class Lines {
	constructor(fetchLines, onChange) {
		this.fetchLines = fetchLines;
		this.onChange = onChange;
		this.total = 0;
		this.complete = false;
		this.rushes = false; /* more than a page came at once */
		this.error = null;
		this.pages = new Map(); /* number -> array of lines; oldest use first */
		this.asked = new Set(); /* numbers of pages on their way, or put off */
		this.later = setTimeout.bind(globalThis);
	}

	get(n) {
		return this.pages.get(Math.floor(n / PAGE))?.[n % PAGE];
	}

	/* One answer of the hub. */
	take(answer) {
		this.total = Math.max(this.total, answer.total);
		this.complete = answer.complete;
		for (const line of answer.lines) {
			const number = Math.floor(line.n / PAGE);
			if (!this.pages.has(number))
				this.pages.set(number, []);
			this.pages.get(number)[line.n % PAGE] = line;
		}
		return answer;
	}

	/* The lines [from, to) are looked at: fetches what is missing. */
	want(from, to) {
		for (let page = Math.floor(from / PAGE); page * PAGE < to; page++) {
			this.touch(page);
			const missing = this.missing(page, Math.max(from, page * PAGE), Math.min(to, (page + 1) * PAGE, this.total));
			if (missing !== null && !this.asked.has(page))
				this.fetch(page, missing);
		}
		this.trim();
	}

	missing(page, from, to) {
		for (let n = from; n < to; n++)
			if (this.get(n) === undefined)
				return n;
		return null;
	}

	/* The page from its beginning, or from the line that is missing: an
	 * answer holds less than asked for when its lines are long. */
	async fetch(page, missing) {
		const first = this.pages.get(page)?.[0] === undefined ? page * PAGE : missing;

		this.asked.add(page);
		try {
			const {lines} = this.take(await this.fetchLines(first, (page + 1) * PAGE - first));
			this.error = lines.length > 0 ? null : new Error('The hub has no such lines any more');
		} catch (error) {
			this.error = error;
		}
		if (this.error === null) {
			this.asked.delete(page);
		} else if (this.error.name !== 'AbortError') {
			/* Who draws wants it again at once. */
			this.later(() => {
				this.asked.delete(page);
				this.onChange();
			}, RETRY_MS);
		}
		this.onChange();
	}

	/* What has come since: the last line may not have ended. A reader at the
	 * end of a log that grows faster than anybody reads wants its end only. */
	async refresh(atEnd = false) {
		const last = Math.max(this.total - 1, 0);
		const answer = this.take(await this.fetchLines(atEnd && this.rushes ? -1 : last, PAGE));

		this.rushes = answer.total - last > PAGE;
		if (answer.from > last)
			this.forget(last);
		this.error = null;
		this.onChange();
		return answer;
	}

	forget(n) {
		const lines = this.pages.get(Math.floor(n / PAGE));

		if (lines)
			delete lines[n % PAGE];
	}

	/* The newest lines, when none are here yet. */
	async begin() {
		this.take(await this.fetchLines(-1, PAGE));
		this.onChange();
	}

	touch(page) {
		const lines = this.pages.get(page);

		if (lines === undefined)
			return;
		this.pages.delete(page);
		this.pages.set(page, lines);
	}

	trim() {
		for (const page of this.pages.keys()) {
			if (this.pages.size <= PAGES_MAX)
				return;
			this.pages.delete(page);
		}
	}
}

/*
 * The first line of a step. Steps come one after another, so their numbers only
 * grow; lines between them that belong to none are passed over. look(n) gives a
 * few lines from n on. About log2(total) questions.
 */
export async function firstLineOf(step, total, look) {
	let low = 0, high = total;

	while (low < high) {
		const middle = Math.floor((low + high) / 2);
		const found = (await look(middle)).find((line) => line.step !== null);

		if (found === undefined || found.step >= step)
			high = middle;
		else
			low = Math.max(middle, found.n) + 1;
	}
	return low < total ? low : null;
}
