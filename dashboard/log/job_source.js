/* The log of a job, for the panel that shows logs: lines and matches by number,
 * from the hub. */
import {api} from '../api.js';
import {save} from '../save.js';
import {followLog} from './follow.js';

export class JobSource {
	constructor({id, status}, signal) {
		this.id = id;
		this.path = `/api/jobs/${encodeURIComponent(id)}/logs`;
		this.signal = signal;
		this.endsBadly = status === 'failed'; /* its end is what one wants to see */
		this.hasTimes = true;
		this.nothing = 'This job has printed nothing.';
	}

	lines(from, limit) {
		return api.get(`${this.path}/lines`, {query: {from, limit}, signal: this.signal});
	}

	search(query) {
		return api.get(`${this.path}/search`, {query, signal: this.signal});
	}

	follow(options) {
		return followLog(this.path, options);
	}

	save() {
		return save(this.path, `${this.id}.log`, {download: true});
	}
}
