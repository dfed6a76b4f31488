/* The figures of the last hours, as the overview and the system page show
 * them. */
import {api} from './api.js';

export const RESULTS = [
	{key: 'completed', name: 'completed', tone: 'good'},
	{key: 'failed', name: 'failed', tone: 'bad'},
	{key: 'cancelled', name: 'cancelled', tone: 'off'},
];

/* step: seconds that a point stands for */
export function lastDay(signal, step) {
	return api.get('/api/monitoring', {query: {hours: 24, step}, signal});
}
