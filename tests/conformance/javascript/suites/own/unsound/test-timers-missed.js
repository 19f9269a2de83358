// A file in the form of Node's, which fails: the driver has to notice that a callback was not called.
'use strict';
const common = require('../common');

clearTimeout(setTimeout(common.mustCall(), 1));
