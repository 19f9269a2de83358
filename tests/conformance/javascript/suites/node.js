// What Node's own timer tests need beside timers: `require` of a few modules, `process`, and handles that are objects. The
// driver (tools/script_conformance.py) puts it before a test file; `detent run` then runs both. A handle keeps nothing but
// the id of one of our timers: whether it is due, when, in what order, kept or not, is ours.
(function (global) {
  'use strict';
  const ours = timer;
  const { apply } = Reflect;
  const handles = new Map(); // live, by id
  const listeners = new Map();
  const ticks = [];
  const expectations = [];
  const begun = now();
  const loopNow = () => Math.floor(now() - begun); // Node counts from its start, not from the machine's.
  let lastCheck = 0;
  let isOver = false;

  // --- process -------------------------------------------------------------------------------------------------------

  function emit(name, ...values) {
    const all = listeners.get(name) || [];
    for (const one of all.slice()) apply(one, process, values);
    return all.length > 0;
  }
  const on = (name, callback) => {
    listeners.set(name, [...(listeners.get(name) || []), callback]);
    return process;
  };
  const process = {
    on, addListener: on, emit,
    once(name, callback) {
      const once = (...values) => { process.removeListener(name, once); apply(callback, process, values); };
      return on(name, once);
    },
    removeListener(name, callback) {
      listeners.set(name, (listeners.get(name) || []).filter((one) => one !== callback));
      return process;
    },
    nextTick(callback, ...values) { ticks.push([callback, values]); Promise.resolve().then(runTicks); },
    emitWarning(text, name) { process.nextTick(() => emit('warning', Object.assign(new Error(text), { name }))); },
    hrtime: Object.assign(() => [Math.floor(now() / 1e3), Math.floor((now() % 1e3) * 1e6)], { bigint: () => BigInt(Math.round(now() * 1e6)) }),
    exit() { isOver = true; ours.cleanupAllTimers(); },
    argv: ['node', 'test'], execArgv: [], env: {}, version: 'v18.0.0', versions: {}, config: { variables: {} },
    removeAllListeners(name) { listeners.delete(name); return process; },
  };
  global.process = process;

  function runTicks() {
    while (ticks.length > 0) {
      const [callback, values] = ticks.shift();
      attempt(() => apply(callback, process, values));
    }
  }
  // What is thrown goes to process.on('uncaughtException'), or else ends the run as an error of the script.
  function attempt(work) {
    try {
      work();
    } catch (error) {
      if (emit('uncaughtException', error)) return;
      process.exit();
      throw error;
    }
  }
  // Each turn: the callback, what nextTick has queued, and later a look whether the program is at its end.
  function guarded(work) {
    return () => {
      try {
        attempt(work);
        runTicks();
      } finally {
        look();
      }
    };
  }
  function isKept() {
    return immediates.some((one) => one.isKept) || [...handles.keys()].some((id) => ours.hasRef(id));
  }
  function look() {
    if (lastCheck !== 0 || isOver) return;
    lastCheck = ours.setTimeout(() => {
      lastCheck = 0;
      if (isKept() || isOver) return;
      attempt(() => emit('beforeExit', 0));
      runTicks();
      if (isKept()) return;
      isOver = true;
      emit('exit', 0);
      for (const expected of expectations) {
        if (expected.calls !== expected.exact) {
          throw new Error('called ' + expected.calls + ' times, not ' + expected.exact + ': ' + expected.place);
        }
      }
      ours.cleanupAllTimers();
    }, 2);
  }

  // --- timers --------------------------------------------------------------------------------------------------------

  function arm(handle, isInterval, delay) {
    let id = 0;
    const tick = guarded(() => {
      handle.wasRefreshed = false;
      try {
        if (handle._onTimeout) apply(handle._onTimeout, handle, handle._timerArgs || []);
      } finally {
        if (!isInterval && handle.isRepeated()) {
          handle.rearm(true);
        } else if (!isInterval && !handle.wasRefreshed) {
          handle.end(id);
        } else if (isInterval && (handle._idleTimeout < 0 || !handle._onTimeout)) {
          handle.close();
        }
      }
    });
    id = isInterval ? ours.setInterval(tick, delay) : ours.setTimeout(tick, delay);
    handles.set(id, handle);
    look();
    return id;
  }
  // A delay that is too long is told each time, the others are told once.
  const toldDelays = new Set();
  function warnOfDelay(ms) {
    const [name, why] = ms > 2147483647 ? ['Overflow', 'does not fit into a 32-bit signed integer'] :
      ms < 0 ? ['Negative', 'is a negative number'] : ms !== ms ? ['NaN', 'is not a number'] : ['', ''];
    if (name === '' || toldDelays.has(name)) return;
    if (name !== 'Overflow') toldDelays.add(name);
    process.emitWarning(ms + ' ' + why + '.\nTimeout duration was set to 1.', 'Timeout' + name + 'Warning');
  }
  class Timeout {
    constructor(callback, delay, values, isInterval) {
      const ms = +delay;
      if (delay !== undefined) warnOfDelay(ms);
      this._idleTimeout = ms >= 1 && ms <= 2147483647 ? Math.trunc(ms) : 1;
      this._onTimeout = callback;
      this._repeat = isInterval ? this._idleTimeout : null;
      this._timerArgs = values.length > 0 ? values : undefined;
      this._destroyed = false;
      Object.defineProperty(this, 'wasRefreshed', { value: false, writable: true });
      Object.defineProperty(this, 'kept', { value: true, writable: true });
      Object.defineProperty(this, 'id', { value: arm(this, isInterval, delay), writable: true });
    }
    isRepeated() { return !this._destroyed && this._repeat !== null && this._onTimeout !== null; }
    rearm(isInterval) {
      const former = this.id;
      this.id = arm(this, isInterval, isInterval ? this._repeat : this._idleTimeout);
      handles.delete(former);
      ours.clear(former);
      if (!this.kept) ours.unref(this.id);
    }
    end(id) {
      handles.delete(id);
      if (id === this.id) this._destroyed = true;
    }
    ref() { this.kept = true; ours.ref(this.id); look(); return this; }
    unref() { this.kept = false; if (this.id) ours.unref(this.id); look(); return this; } // of any object, as in Node
    hasRef() { return this.kept; }
    refresh() {
      this.wasRefreshed = true;
      if (this._onTimeout && !ours.refresh(this.id) && !this.cleared) {
        this._destroyed = false;
        this.rearm(false);
      }
      return this;
    }
    close() { this.cleared = true; ours.clear(this.id); this.end(this.id); look(); return this; }
    [Symbol.toPrimitive]() { return this.id; }
  }
  if (!Symbol.dispose) Symbol.dispose = Symbol('Symbol.dispose');
  if (!Symbol.asyncDispose) Symbol.asyncDispose = Symbol('Symbol.asyncDispose');
  const hide = (kind, key, value) => Object.defineProperty(kind.prototype, key, { value, writable: true });
  hide(Timeout, Symbol.dispose, function () { this.close(); });
  hide(Timeout, 'cleared', false);

  function checked(callback) {
    if (typeof callback === 'function') return;
    try {
      ours.setTimeout(callback, 0); // ours refuses it
    } catch (error) {
      throw Object.assign(new TypeError('The "callback" argument must be of type function. ' + error.message), { code: 'ERR_INVALID_ARG_TYPE' });
    }
  }
  const timers = {
    setTimeout(callback, delay, ...values) { checked(callback); return new Timeout(callback, delay, values, false); },
    setInterval(callback, delay, ...values) { checked(callback); return new Timeout(callback, delay, values, true); },
    clearTimeout(given) {
      if (given instanceof Timeout) return void given.close();
      if (typeof given !== 'number' && typeof given !== 'string') return;
      const handle = handles.get(+given);
      if (handle) handle.close();
    },
    setImmediate(callback, ...values) { checked(callback); return new Immediate(callback, values); },
    clearImmediate(given) {
      if (!(given instanceof Immediate)) return;
      given._destroyed = true;
      immediates = immediates.filter((one) => one !== given);
    },
  };
  timers.clearInterval = timers.clearTimeout;

  // Told once for each of the old verbs.
  function deprecate(verbs) {
    for (const verb of verbs) {
      const plain = timers[verb];
      let isTold = false;
      timers[verb] = (...values) => {
        if (!isTold) process.emitWarning('timers.' + verb + '() is deprecated', 'DeprecationWarning');
        isTold = true;
        return plain(...values);
      };
    }
  }
  // The old form: an object of the user's that is armed as often as it is said to be active.
  const enrolled = new WeakMap(); // the handle of an armed object
  const activate = (keep) => (item) => {
    if (!(item._idleTimeout >= 0)) return;
    timers.clearTimeout(enrolled.get(item));
    const handle = new Timeout(() => { if (item._onTimeout) item._onTimeout(); }, item._idleTimeout, [], false);
    if (!keep) handle.unref();
    enrolled.set(item, handle);
    item._idleStart = loopNow();
    item._idleNext = item._idlePrev = handle;
  };
  timers.active = activate(true);
  timers._unrefActive = activate(false);
  timers.unenroll = (item) => {
    timers.clearTimeout(item instanceof Timeout ? item : enrolled.get(item));
    item._idleTimeout = -1;
  };
  timers.enroll = (item, ms) => {
    if (typeof ms !== 'number') throw Object.assign(new TypeError('"msecs" is no number'), { code: 'ERR_INVALID_ARG_TYPE' });
    if (!(ms >= 0 && ms < Infinity)) throw Object.assign(new RangeError('The value of "msecs" is out of range. It must be a non-negative finite number. Received ' + ms), { code: 'ERR_OUT_OF_RANGE' });
    warnOfDelay(ms);
    timers.clearTimeout(enrolled.get(item));
    item._idleTimeout = Math.min(ms, 2147483647);
  };
  deprecate(['enroll', 'active', 'unenroll']);

  // Immediates: those of one turn together, those they make in the next.
  let immediates = [];
  let turn = 0;
  class Immediate {
    constructor(callback, values) {
      this._onImmediate = callback;
      this._destroyed = false;
      Object.defineProperty(this, 'isKept', { value: true, writable: true });
      Object.defineProperty(this, 'values', { value: values });
      immediates.push(this);
      nextTurn();
    }
    ref() { if (!this._destroyed) { this.isKept = true; nextTurn(); } return this; }
    unref() { this.isKept = false; look(); return this; }
    hasRef() { return !this._destroyed && this.isKept; }
  }
  hide(Immediate, Symbol.dispose, function () { timers.clearImmediate(this); });
  function nextTurn() {
    if (turn !== 0) return;
    turn = ours.setTimeout(() => {
      turn = 0;
      if (!isKept()) return look(); // nothing that would have kept the loop
      const now = immediates;
      immediates = [];
      try {
        for (const one of now) {
          if (one._destroyed) continue;
          one._destroyed = true;
          attempt(() => apply(one._onImmediate, one, one.values));
          runTicks();
        }
      } finally {
        look();
      }
    }, 0);
  }
  Object.assign(global, timers);

  // --- modules -------------------------------------------------------------------------------------------------------

  const inspect = (value) => (typeof value === 'string' ? value : String(value) + ' ' + (JSON.stringify(value) || ''));
  function fail(text) { throw new Error(typeof text === 'string' ? text : inspect(text)); }
  function isSame(a, b) {
    if (Object.is(a, b)) return true;
    if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
    const keys = Object.keys(a);
    return keys.length === Object.keys(b).length && keys.every((key) => isSame(a[key], b[key]));
  }
  function isExpected(error, expected) {
    if (expected === undefined) return true;
    if (expected instanceof RegExp) return expected.test(String(error));
    if (typeof expected === 'function') {
      return expected.prototype !== undefined && error instanceof expected ? true : !Error.isPrototypeOf(expected) && expected(error) === true;
    }
    return Object.keys(expected).every((key) =>
      expected[key] instanceof RegExp ? expected[key].test(error[key]) : isSame(error[key], expected[key]));
  }
  function assert(is, text) { if (!is) fail(text || 'it does not hold'); }
  Object.assign(assert, {
    ok: assert, fail,
    strictEqual(a, b, text) { if (!Object.is(a, b)) fail(text || inspect(a) + ' is not ' + inspect(b)); },
    notStrictEqual(a, b, text) { if (Object.is(a, b)) fail(text || inspect(a)); },
    deepStrictEqual(a, b, text) { if (!isSame(a, b)) fail(text || inspect(a) + ' differs from ' + inspect(b)); },
    throws(work, expected) {
      try {
        work();
      } catch (error) {
        if (!isExpected(error, expected)) fail('threw another: ' + inspect(error.message));
        return;
      }
      fail('does not throw');
    },
    async rejects(work, expected) {
      try {
        await (typeof work === 'function' ? work() : work);
      } catch (error) {
        if (!isExpected(error, expected)) fail('rejects with another: ' + inspect(error.message));
        return;
      }
      fail('does not reject');
    },
  });
  assert.equal = assert.strictEqual;

  function mustCall(callback, exact = 1) {
    if (typeof callback === 'number') [callback, exact] = [() => {}, callback];
    const expected = { calls: 0, exact, place: new Error().stack.split('\n')[1] };
    expectations.push(expected);
    return function (...values) {
      ++expected.calls;
      return callback ? apply(callback, this, values) : undefined;
    };
  }
  const common = {
    mustCall, isMainThread: true, isWindows: false,
    mustSucceed: mustCall,
    mustNotCall: (text) => () => fail(text || 'called, and must not be'),
    platformTimeout: (ms) => ms,
    skip(text) { print('skipped: ' + text); process.exit(); },
    expectWarning(name, expected) {
      const left = (Array.isArray(expected) ? expected : [expected]).flat();
      process.on('warning', mustCall((warning) => assert.strictEqual(warning.message, left.shift()), left.length));
    },
    expectsError: (expected) => (error) => (isExpected(error, expected) ? true : fail(error.message)),
    invalidArgTypeHelper: () => '',
    allowGlobals() {},
  };

  const aborted = (signal) => Object.assign(new Error('The operation was aborted'), { name: 'AbortError', code: 'ABORT_ERR', cause: signal && signal.reason });
  class AbortSignal {
    constructor() { this.aborted = false; this.all = []; }
    addEventListener(name, callback) { this.all.push(callback); }
    removeEventListener(name, callback) { this.all = this.all.filter((one) => one !== callback); }
    static abort(reason) { const made = new AbortController(); made.abort(reason); return made.signal; }
  }
  class AbortController {
    constructor() { this.signal = new AbortSignal(); }
    abort(reason) {
      if (this.signal.aborted) return;
      this.signal.aborted = true;
      this.signal.reason = reason;
      for (const one of this.signal.all.slice()) one({ type: 'abort', target: this.signal });
    }
  }
  class NodeEventTarget extends AbortSignal {
    on(name, callback) { this.addEventListener(name, callback); return this; }
    off(name, callback) { this.removeEventListener(name, callback); return this; }
    listenerCount() { return this.all.length; }
  }
  Object.assign(global, { AbortController, AbortSignal, global });

  const invalid = (name) => Object.assign(new TypeError('The "' + name + '" argument is invalid'), {
    code: 'ERR_INVALID_ARG_TYPE', toString() { return 'TypeError [ERR_INVALID_ARG_TYPE]: ' + this.message; } });
  function check(options) {
    if (options === null || typeof options !== 'object') throw invalid('options');
    if (options.signal !== undefined && (options.signal === null || typeof options.signal !== 'object' || !('aborted' in options.signal))) throw invalid('options.signal');
    if (options.ref !== undefined && typeof options.ref !== 'boolean') throw invalid('options.ref');
  }
  function promised(begin, end) {
    return (value, options = {}) => new Promise((resolve, reject) => {
      check(options);
      const { signal, ref = true } = options;
      if (signal && signal.aborted) return reject(aborted(signal));
      const stop = () => { end(handle); reject(aborted(signal)); };
      const handle = begin(() => {
        if (signal) signal.removeEventListener('abort', stop);
        resolve(value);
      });
      if (!ref) handle.unref();
      if (signal) signal.addEventListener('abort', stop);
    });
  }
  const promises = {
    setTimeout: (delay, value, options) => promised((done) => timers.setTimeout(done, delay), timers.clearTimeout)(value, options),
    setImmediate: (value, options) => promised((done) => timers.setImmediate(done), timers.clearImmediate)(value, options),
    async* setInterval(delay, value, options = {}) {
      check(options);
      const { signal, ref = true } = options;
      if (signal && signal.aborted) throw aborted(signal);
      let due = 0;
      let wake = () => {};
      const stop = () => { handle.close(); wake(); }; // what has ticked until now is still handed out
      const handle = timers.setInterval(() => { ++due; wake(); }, delay);
      if (!ref) handle.unref();
      if (signal) signal.addEventListener('abort', stop);
      try {
        for (;;) {
          while (due === 0 && !(signal && signal.aborted)) await new Promise((resolve) => { wake = resolve; });
          for (; due > 0; --due) yield value;
          if (signal && signal.aborted) throw aborted(signal);
        }
      } finally {
        handle.close();
        if (signal) signal.removeEventListener('abort', stop);
      }
    },
  };
  promises.scheduler = { wait: (delay, options) => promises.setTimeout(delay, undefined, options), yield: () => promises.setImmediate() };
  const custom = Symbol.for('nodejs.util.promisify.custom');
  timers.setTimeout[custom] = promises.setTimeout;
  timers.setImmediate[custom] = promises.setImmediate;

  class EventEmitter {
    constructor() { this.all = new Map(); }
    on(name, callback) { this.all.set(name, [...(this.all.get(name) || []), callback]); return this; }
    emit(name, ...values) { for (const one of this.all.get(name) || []) one.apply(this, values); return this.all.has(name); }
  }
  class Countdown {
    constructor(limit, callback) { this.remaining = limit; this.callback = mustCall(callback); }
    dec() { if (--this.remaining === 0) this.callback(); return this.remaining; }
  }
  const modules = {
    '../common': common, 'assert': assert, 'timers': Object.assign({}, timers, { promises }), 'timers/promises': promises,
    'events': Object.assign(EventEmitter, { EventEmitter, getEventListeners: (signal) => signal.all }), '../common/countdown': Countdown,
    'util': { inspect: Object.assign(inspect, { custom: Symbol('inspect') }), promisify: (of) => of[custom] || ((...values) => new Promise((resolve, reject) => of(...values, (error, value) => (error ? reject(error) : resolve(value))))) },
    // What a child would print is nothing here.
    'child_process': { exec: { [custom]: async () => ({ stdout: '', stderr: '' }) } },
    'test': { test(name, work) { attempt(work); } },
    'internal/test/binding': { internalBinding: () => ({ getLibuvNow: loopNow }) },
    'internal/timers': { setUnrefTimeout: (callback, delay) => timers.setTimeout(callback, delay).unref(), kTimeout: Symbol('timeout') },
    'internal/event_target': { NodeEventTarget },
    'internal/util': { sleep(ms) { const until = now() + ms; while (now() < until); } },
  };
  global.require = (name) => {
    const found = modules[name.replace('node:', '')];
    if (!found) throw new Error('needs ' + name);
    return found;
  };
  look();
  global.beginOfFile = (file) => {
    try {
      file.call({}, global.require, { exports: {} }, {}, 'test.js', '.');
    } catch (error) {
      if (!emit('uncaughtException', error)) throw error;
    }
    runTicks();
  };
})(globalThis);
