// What scripts see, over the natives of natives.cpp: the globals, and the same as members of `timer`; `mode`, `console`.
// Keeps what it needs of the language, so that a script may replace any global. Its value is the function that words an
// error.
(function (native, global, scriptArguments, hasModes) {
  'use strict';
  const { apply } = Reflect;
  const { Promise, Error, TypeError, String, JSON, Array, Object } = global;
  const { isArray } = Array;
  const { stringify } = JSON;
  const then = Promise.prototype.then;
  const { split, includes } = String.prototype;
  const { exec } = RegExp.prototype;
  const atEnd = /([^@]*:[0-9]+):[0-9]+$/;
  const ownName = '[detent]';

  // What clear and the others are given: an id, a timer object, or anything else, which is no timer.
  function idOf(value) {
    try {
      return +value;
    } catch {
      return 0;
    }
  }

  function create(verb, isInterval, first, second, rest) {
    const arranged = native.arrange(verb, first, second);
    if (arranged.refusal !== undefined) throw new TypeError(arranged.refusal);
    const callback = arranged.isTurned ? second : first;
    const options = hasModes && rest.length > 0 && rest[0] ? rest[0] : {};
    if (typeof options.modes === 'string') throw new TypeError(verb + ': modes: a list of names is needed');
    const binding = isArray(options.modes) ? options : null;
    const given = [];
    for (let i = binding ? 1 : 0; i < rest.length; ++i) given[given.length] = rest[i];
    const id = native.set(verb, isInterval, arranged.delay, () => { apply(callback, undefined, given); });
    if (binding) native.bind(id, binding.modes, binding.onLeave, binding.onReturn);
    return id;
  }

  class Timer {
    constructor(id) { Object.defineProperty(this, 'id', { value: id, enumerable: true }); }
    pause() { return native.pause(this.id); }
    resume() { return native.resume(this.id); }
    stop() { return native.clear(this.id); }
    cancel() { return native.clear(this.id); }
    refresh() { native.refresh(this.id); return this; }
    ref() { native.keep(this.id, true); return this; }
    unref() { native.keep(this.id, false); return this; }
    hasRef() { return native.isKept(this.id); }
    status() { return native.status(this.id); }
    wait() { return timer.wait(this.id); }
    [Symbol.toPrimitive]() { return this.id; }
  }

  const timer = {
    setTimeout(callback, delay, ...rest) { return create('setTimeout', false, callback, delay, rest); },
    setInterval(callback, delay, ...rest) { return create('setInterval', true, callback, delay, rest); },
    timeout(callback, delay, ...rest) { return new Timer(create('timeout', false, callback, delay, rest)); },
    interval(callback, delay, ...rest) { return new Timer(create('interval', true, callback, delay, rest)); },
    clearTimeout(id) { return native.clear(idOf(id)); },
    clearInterval(id) { return native.clear(idOf(id)); },
    stopTimer(id) { return native.clear(idOf(id)); },
    getTimerStatus(id) { return native.status(idOf(id)); },
    getActiveTimers() { return native.active(); },
    cleanupAllTimers() { return native.cleanup(); },
    now() { return native.now(); },
    sleep(milliseconds) {
      if (typeof milliseconds !== 'number') throw new TypeError('sleep(milliseconds): a number is needed');
      return new Promise((resolve) => { native.set('sleep', false, milliseconds, () => resolve()); });
    },
    // Whether it ticked; false when it ended without.
    wait(id) { return new Promise((resolve) => { native.nextTick(idOf(id), (ticked) => resolve(ticked)); }); },
  };
  for (const name of Object.keys(timer)) {
    Object.defineProperty(global, name, { value: timer[name], writable: true, configurable: true, enumerable: true });
  }
  Object.assign(timer, {
    clear(id) { return native.clear(idOf(id)); },
    status(id) { return native.status(idOf(id)); },
    pause(id) { return native.pause(idOf(id)); },
    resume(id) { return native.resume(idOf(id)); },
    refresh(id) { return native.refresh(idOf(id)); },
    ref(id) { return native.keep(idOf(id), true); },
    unref(id) { return native.keep(idOf(id), false); },
    hasRef(id) { return native.isKept(idOf(id)); },
  });
  for (const name of ['setTimeout', 'setInterval']) Object.defineProperty(timer[name], 'length', { value: 1 });
  global.timer = timer;

  function hook(verb, kind) {
    return (name, callback) => {
      if (typeof name !== 'string' || typeof callback !== 'function') throw new TypeError(verb + '(name, function)');
      native.addModeHook(kind, name, () => { apply(callback, undefined, []); });
    };
  }
  if (hasModes) {
    global.mode = {
      set(name) {
        if (typeof name !== 'string') throw new TypeError('mode.set(name): a string is needed');
        return native.setMode(name);
      },
      is(name) { return typeof name === 'string' && native.isMode(name); },
      get() { return native.currentMode(); },
      previous() { return native.previousMode(); },
      onEnter: hook('mode.onEnter', 'enter'),
      onExit: hook('mode.onExit', 'exit'),
    };
  }

  global.queueMicrotask = function queueMicrotask(callback) {
    if (typeof callback !== 'function') throw new TypeError('queueMicrotask(function)');
    apply(then, Promise.resolve(), [() => {
      try {
        apply(callback, undefined, []);
      } catch (error) {
        native.tellError(describe(error));
      }
    }]);
  };

  function show(value) {
    if (typeof value === 'string') return value;
    if (value instanceof Error) return describe(value);
    if (typeof value === 'function') return '[function ' + value.name + ']';
    if (typeof value === 'object' && value !== null) {
      try {
        return stringify(value);
      } catch {
        return '[object]';
      }
    }
    return String(value);
  }
  function line(values) {
    let text = '';
    for (let i = 0; i < values.length; ++i) text += (i > 0 ? ' ' : '') + show(values[i]);
    return text;
  }
  const print = (...values) => { native.print(line(values)); };
  const printError = (...values) => { native.printError(line(values)); };
  global.print = print;
  global.console = { log: print, info: print, debug: print, warn: printError, error: printError };
  global.scriptArguments = scriptArguments;

  // FILE:LINE: Kind: message, and the stack. The frames of this file are not the script's: an error thrown here has the
  // place of its call.
  function describe(error) {
    try {
      if (!(error instanceof Error)) return 'uncaught ' + show(error);
      let place = error.sourceURL && error.sourceURL !== ownName ? error.sourceURL + ':' + error.line + ': ' : '';
      let stack = '';
      for (const frame of apply(split, String(error.stack || ''), ['\n'])) {
        if (frame === '' || apply(includes, frame, ['@' + ownName + ':'])) continue;
        stack += '\n  ' + frame;
        const found = place === '' ? apply(exec, atEnd, [frame]) : null;
        if (found) place = found[1] + ': ';
      }
      return place + String(error) + (stack === '' ? '' : '\nstack:' + stack);
    } catch {
      return 'an error that cannot be shown';
    }
  }
  native.onUnhandledRejection((promise, reason) => {
    native.tellError('in a promise: ' + describe(reason));
  });
  return describe;
})
