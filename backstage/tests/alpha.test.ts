/** What an app of the new frontend system finds in the plugin. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import plugin from '../src/alpha.js';

test('the new frontend system gets a page, its entry and its API', () => {
  assert.equal(plugin.id, 'runner');
  assert.deepEqual(Object.keys(plugin.routes), ['root']);
  for (const id of ['page:runner', 'nav-item:runner', 'api:runner'] as const) {
    assert.ok(plugin.getExtension(id), id);
  }
});
