/* Saving what the hub gives as a file: a link could not say who asks. */
import {api} from './api.js';

const KEEP_MS = 60000; /* until the browser has begun to read it */

export async function save(path, name, query) {
	const place = URL.createObjectURL(await api.blob(path, {query}));

	Object.assign(document.createElement('a'), {href: place, download: name}).click();
	setTimeout(() => URL.revokeObjectURL(place), KEEP_MS);
}
