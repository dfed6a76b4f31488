import test from 'node:test';
import assert from 'node:assert/strict';
import {below, matchPath, url} from '../router.js';

test('patterns', () => {
	assert.deepEqual(matchPath('/jobs/:id', '/jobs/a%2Fb'), {id: 'a/b'});
	assert.deepEqual(matchPath('/jobs', '/jobs/'), {});
	assert.deepEqual(matchPath('/', '/'), {});
	assert.equal(matchPath('/jobs/:id', '/jobs'), null);
	assert.equal(matchPath('/jobs', '/job'), null);
	assert.equal(matchPath('/jobs/:id', '/jobs/%zz'), null, 'bad escapes are no page');
});

test('what is below the dashboard', () => {
	assert.equal(below('/dashboard'), '/');
	assert.equal(below('/dashboard/jobs'), '/jobs');
	assert.equal(below('/dashboards'), null);
	assert.equal(below('/api/jobs'), null);
});

test('addresses leave out what is not set', () => {
	assert.equal(url('/'), '/dashboard');
	assert.equal(url('/jobs', {status: 'failed', page: null, text: ''}), '/dashboard/jobs?status=failed');
	assert.equal(url('/jobs', {text: 'a b&c'}), '/dashboard/jobs?text=a+b%26c');
});
