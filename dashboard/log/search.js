/* A search of a whole log, done by the hub in bounded pieces; what is found
 * grows while it goes on. */

const MATCHES_MAX = 10000;
const PIECE = 1000;

export class Search {
	/* ask({q, from, limit, case}) -> {matches, next, scanned}; onChange() */
	constructor(ask, onChange) {
		this.ask = ask;
		this.onChange = onChange;
		this.stop();
	}

	stop() {
		this.run = null; /* of the search that goes on */
		this.text = '';
		this.exact = false;
		this.lines = []; /* numbers, ascending */
		this.at = -1;    /* the one that is shown */
		this.from = 0;   /* not looked at yet */
		this.busy = false;
		this.full = false;
		this.error = null;
	}

	async start(text, exact) {
		this.stop();
		this.text = text;
		this.exact = exact;
		if (text !== '')
			await this.more(Infinity);
		else
			this.onChange();
	}

	/* Looks at what was not looked at, up to `total` lines. */
	async more(total) {
		if (this.text === '' || this.busy || this.full || this.from >= total)
			return;
		const run = {};

		this.run = run;
		this.busy = true;
		this.error = null;
		this.onChange();
		try {
			for (let next = this.from; next !== null && !this.full;) {
				const found = await this.ask({q: this.text, from: next, limit: PIECE, case: this.exact || null});
				if (this.run !== run)
					return;
				this.take(next, found);
				({next} = found);
			}
		} catch (error) {
			if (this.run === run)
				this.error = error;
		}
		if (this.run !== run)
			return;
		this.busy = false;
		this.onChange();
	}

	take(from, found) {
		const last = this.lines.at(-1) ?? -1;

		this.lines.push(...found.matches.map((m) => m.n).filter((n) => n > last));
		/* The last line may go on, so it is looked at once more. */
		this.from = found.next ?? Math.max(from + found.scanned - 1, 0);
		this.full = this.lines.length >= MATCHES_MAX;
		this.onChange();
	}

	/* The match behind (step 1) or before (-1) the present one, or the first
	 * that is not above `line`; null: there is none. */
	go(step, line) {
		if (this.lines.length === 0)
			return null;
		if (this.at < 0) {
			const below = this.lines.findIndex((n) => n >= line);
			this.at = below < 0 ? 0 : below;
		} else {
			this.at = (this.at + step + this.lines.length) % this.lines.length;
		}
		return this.lines[this.at];
	}

	get line() {
		return this.lines[this.at] ?? null;
	}
}
