'use strict';
// The loop's time counts from the start of the program: whoever compares it with small numbers must not meet an uptime.
require('../common');
const assert = require('assert');
const { internalBinding } = require('internal/test/binding');

const sinceStart = internalBinding('timers').getLibuvNow();
assert(sinceStart >= 0 && sinceStart < 10 * 60 * 1000);
