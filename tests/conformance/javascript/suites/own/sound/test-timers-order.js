// A file in the form of Node's, which passes: the driver's own test.
'use strict';
const common = require('../common');
const assert = require('assert');

let order = '';
setTimeout(common.mustCall(() => { order += 'b'; }), 5);
setTimeout(common.mustCall((x) => { order += x; }), 1, 'a');
const handle = setInterval(common.mustNotCall(), 2000).unref();
handle.close();
process.on('exit', common.mustCall(() => assert.strictEqual(order, 'ab')));
