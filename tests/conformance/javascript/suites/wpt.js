// What tests of the web platform need beside timers: its harness takes this for a shell. A handler that is no function is
// code, made a text when the timer is armed; our timers refuse it, so that it is made a function here.
(function (global) {
  'use strict';
  const { setTimeout, setInterval } = timer;
  const evaluate = global.eval;
  function handler(of) {
    if (typeof of === 'function') return of;
    const code = String(of);
    return () => evaluate(code);
  }
  global.self = global;
  global.setTimeout = (of, ...rest) => setTimeout(handler(of), ...rest);
  global.setInterval = (of, ...rest) => setInterval(handler(of), ...rest);

  // Called when the harness is there. The program fails unless the tests have come to their end, all well.
  global.reportTo = (print) => {
    setTimeout(() => { throw new Error('the tests did not complete'); }, 15000);
    add_completion_callback((tests, status) => {
      timer.cleanupAllTimers();
      const bad = tests.filter((test) => test.status !== 0).map((test) => test.name + ': ' + test.message);
      if (status.status !== 0) bad.push('the harness: ' + status.message);
      if (bad.length > 0) setTimeout(() => { throw new Error(bad.join('; ')); }, 0);
      print(tests.length + ' tests, ' + bad.length + ' failed');
    });
  };
})(globalThis);
