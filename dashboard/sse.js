/* Reading server-sent events (WHATWG HTML, "Server-sent events") and lines of
 * JSON out of pieces of text. Pure: tested without a browser. */

/* A reader of lines: feed it pieces, it calls onLine for each whole line. A
 * line that never ends is given up at max characters. */
export function lineReader(onLine, max = 4 << 20) {
	let rest = '';

	return (piece) => {
		const lines = (rest + piece).split(/\r\n|\n|\r(?!$)/);

		rest = lines.pop();
		if (rest.length > max)
			throw new RangeError('a line of the stream is too long');
		lines.forEach(onLine);
	};
}

/* onEvent({type, id, data}) with data as text. */
export function eventReader(onEvent) {
	let type = '', data = [], id = null;

	return lineReader((line) => {
		if (line === '') {
			if (data.length > 0)
				onEvent({type: type || 'message', id, data: data.join('\n')});
			type = '';
			data = [];
			return;
		}
		const colon = line.indexOf(':');
		const field = colon < 0 ? line : line.slice(0, colon);
		const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');

		if (field === 'event')
			type = value;
		else if (field === 'data')
			data.push(value);
		else if (field === 'id' && !value.includes('\0'))
			id = value;
	});
}
