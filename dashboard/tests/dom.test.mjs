import test from 'node:test';
import assert from 'node:assert/strict';
import {safeHref} from '../dom.js';

test('links lead below this hub or to a site, and nowhere else', () => {
	for (const good of ['/dashboard/jobs?x=1#L3', '?page=2', '#main', 'https://ci.example/a', 'HTTP://x.example'])
		assert.equal(safeHref(good), good);
	const script = ['java', 'script:alert(1)'].join('');

	for (const bad of [script, ` \t${script}`, 'java\nscript:alert(1)', 'data:text/html,x',
		'//evil.example', '/\\evil.example', 'vbscript:x', 'file:///etc/passwd', 'relative', '', null, {}])
		assert.equal(safeHref(bad), null, String(bad));
});
