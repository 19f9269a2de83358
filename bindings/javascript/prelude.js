// What scripts see, over the natives of natives.cpp: the globals, and the same as members of `timer`; `mode`, `console`.
// Keeps what it needs of the language, so that a script may replace any global. Its value is the function that words an
// error.
(function (native, global, scriptArguments, hasModes, hasWebRules) {
  'use strict';
  const { apply } = Reflect;
  const { Promise, Error, TypeError, String, Number, JSON, Object, WeakMap } = global;
  const { isInteger } = Number;
  const { defineProperty, getOwnPropertyDescriptor } = Object;
  const { hasOwnProperty } = Object.prototype;
  const { stringify } = JSON;
  const then = Promise.prototype.then;
  const { split, includes } = String.prototype;
  const { exec } = RegExp.prototype;
  const { get: getWeak, set: setWeak } = WeakMap.prototype;
  const atEnd = /([^@]*:[0-9]+):[0-9]+$/;
  const ownName = '[detent]';
  const receiver = hasWebRules ? global : undefined; // `this` of timers' functions, as HTML has it
  const mostFrames = 20;

  // A value as messages show it. Nothing of the script runs for that: no getter, no toString.
  function shown(value) {
    switch (typeof value) {
      case 'string': return native.quoted(value);
      case 'object': return value === null ? 'null' : native.isProxy(value) ? 'a proxy' : native.isArray(value) ? 'an array' : 'an object';
      case 'function': case 'symbol': return 'a ' + typeof value;
      default: {
        const text = String(value) + (typeof value === 'bigint' ? 'n' : '');
        return text.length <= 40 ? text : 'a ' + typeof value;
      }
    }
  }

  // What clear and the others are given: an id, a timer object, or anything else, which is no timer.
  function idOf(value) {
    try {
      return +value;
    } catch {
      return 0;
    }
  }
  // For verbs that refuse what could not be a timer.
  function timerOf(verb, value) {
    const isOne = typeof value === 'number' || typeof value === 'string';
    const id = isOne ? +value : timerIdOf(value);
    if (!isInteger(id)) throw new TypeError(verb + '(timer): an id or a timer is needed, not ' + shown(value));
    return id;
  }

  // What the web makes of a delay. A conversion may throw what the script likes.
  function numberOf(verb, delay) {
    if (typeof delay === 'symbol' || typeof delay === 'bigint') {
      throw new TypeError(verb + '(function, milliseconds, ...arguments): the delay is ' + shown(delay) + ', not a number');
    }
    return +delay;
  }

  // What an object itself has under a name. Nothing of the script runs for that: no getter, and of a proxy nothing.
  function ownValue(object, name) {
    const found = native.isProxy(object) ? undefined : getOwnPropertyDescriptor(object, name);
    return found !== undefined && apply(hasOwnProperty, found, ['value']) ? found.value : undefined;
  }

  // What the options of a timer say of modes, read once, or null: then they are an argument.
  function bindingOf(verb, options) {
    if (!hasModes || typeof options !== 'object' || options === null) return null;
    const modes = ownValue(options, 'modes');
    const onLeave = ownValue(options, 'onLeave');
    const onReturn = ownValue(options, 'onReturn');
    if (modes === undefined) {
      const word = onLeave !== undefined ? 'onLeave' : 'onReturn';
      if (onLeave === undefined && onReturn === undefined) return null;
      throw new TypeError(verb + ': ' + word + ' needs modes beside it');
    }
    const needed = "; a list of names is needed, as in ['work']";
    const isList = native.isArray(modes) && !native.isProxy(modes);
    if (!isList) throw new TypeError(verb + ': modes is ' + shown(modes) + needed);
    if (modes.length === 0) throw new TypeError(verb + ': modes is an empty list' + needed);
    const names = [];
    for (let i = 0; i < modes.length; ++i) {
      const name = ownValue(modes, i);
      if (typeof name !== 'string') throw new TypeError(verb + ': modes[' + i + '] is ' + shown(name) + needed);
      names[i] = name;
    }
    return { names, onLeave, onReturn };
  }

  function create(verb, isInterval, first, second, rest) {
    const isOther = typeof second !== 'number' && typeof second !== 'function' && second !== undefined;
    const delay = hasWebRules && isOther && typeof first === 'function' ? numberOf(verb, second) : second;
    const arranged = native.arrange(verb, first, delay);
    if (arranged.refusal !== undefined) {
      throw new TypeError(native.arrange(verb, first, delay, shown(first), shown(second)).refusal);
    }
    const callback = arranged.isTurned ? second : first;
    const binding = bindingOf(verb, rest[0]);
    const given = [];
    for (let i = binding ? 1 : 0; i < rest.length; ++i) given[given.length] = rest[i];
    const id = native.set(verb, isInterval, arranged.delay, () => { apply(callback, receiver, given); });
    if (binding) {
      const { names, onLeave, onReturn } = binding;
      native.bind(verb, id, names, onLeave, onReturn, shown(onLeave), shown(onReturn));
    }
    return id;
  }

  // Undefined for what is no timer, as a proxy of one: nothing of the script runs for that.
  const timerIds = new WeakMap();
  const timerIdOf = (value) => apply(getWeak, timerIds, [value]);
  class Timer {
    constructor(id) {
      apply(setWeak, timerIds, [this, id]);
      defineProperty(this, 'id', { __proto__: null, value: id, enumerable: true });
    }
    pause() { return native.pause(ownId('pause', this)); }
    resume() { return native.resume(ownId('resume', this)); }
    stop() { return native.clear(ownId('stop', this)); }
    cancel() { return native.clear(ownId('cancel', this)); }
    refresh() { native.refresh(ownId('refresh', this)); return this; }
    ref() { native.keep(ownId('ref', this), true); return this; }
    unref() { native.keep(ownId('unref', this), false); return this; }
    hasRef() { return native.isKept(ownId('hasRef', this)); }
    status() { return native.status(ownId('status', this)); }
    wait() { return waitFor(ownId('wait', this)); }
    [Symbol.toPrimitive]() { return ownId('valueOf', this); }
  }
  function ownId(verb, value) {
    const id = timerIdOf(value);
    if (id === undefined) {
      throw new TypeError(verb + ': a timer is needed before the name, as in () => t.' + verb + '(); here is ' +
                          shown(value));
    }
    return id;
  }

  const scopes = new WeakMap();
  class Scope {
    constructor(scope) { apply(setWeak, scopes, [this, scope]); }
    // How many timers it ended.
    close() {
      const scope = apply(getWeak, scopes, [this]);
      if (scope === undefined) {
        throw new TypeError('close: a scope is needed before the name, as in () => s.close(); here is ' + shown(this));
      }
      return native.closeScope(scope);
    }
  }
  // Calls a function in a scope, which it answers. One that throws leaves nothing of it.
  function inScope(callback, options) {
    if (typeof callback !== 'function' || (typeof options !== 'object' && options !== undefined) || options === null) {
      throw new TypeError('scope(function, options): a function is needed, and an object with modes or nothing, not ' +
                          shown(callback) + ' and ' + shown(options));
    }
    const binding = bindingOf('scope', options);
    if (options !== undefined && !binding) {
      throw new TypeError("scope: its options need modes, as in {modes: ['work']}");
    }
    const scope = native.openScope(binding !== null);
    const former = native.enterScope(scope);
    let hasReturned = false;
    try {
      if (binding) {
        const { names, onLeave, onReturn } = binding;
        native.bindScope('scope', scope, names, onLeave, onReturn, shown(onLeave), shown(onReturn));
      }
      apply(callback, undefined, []);
      hasReturned = true;
    } finally {
      native.enterScope(former);
      if (!hasReturned) native.closeScope(scope);
    }
    return new Scope(scope);
  }

  // Whether it ticked; false when it ended without.
  function waitFor(id) {
    return new Promise((resolve) => { native.nextTick(id, (ticked) => resolve(ticked)); });
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
      if (typeof milliseconds !== 'number' || milliseconds !== milliseconds) {
        throw new TypeError('sleep(milliseconds): a number is needed, not ' + shown(milliseconds));
      }
      return new Promise((resolve) => { native.sleep(milliseconds, (ticked) => resolve(ticked)); });
    },
    wait(of) { return waitFor(timerOf('wait', of)); },
  };
  for (const name of Object.keys(timer)) {
    defineProperty(global, name, { value: timer[name], writable: true, configurable: true, enumerable: true });
  }
  Object.assign(timer, {
    scope(callback, options) { return inScope(callback, options); },
    clear(id) { return native.clear(idOf(id)); },
    status(id) { return native.status(idOf(id)); },
    pause(id) { return native.pause(timerOf('pause', id)); },
    resume(id) { return native.resume(timerOf('resume', id)); },
    refresh(id) { return native.refresh(timerOf('refresh', id)); },
    ref(id) { return native.keep(timerOf('ref', id), true); },
    unref(id) { return native.keep(timerOf('unref', id), false); },
    hasRef(id) { return native.isKept(timerOf('hasRef', id)); },
  });
  for (const name of ['setTimeout', 'setInterval']) defineProperty(timer[name], 'length', { value: 1 });
  global.timer = timer;

  function hook(verb, kind) {
    return (name, callback) => {
      if (typeof name !== 'string' || typeof callback !== 'function') {
        throw new TypeError(verb + '(name, function): a string and a function are needed, not ' + shown(name) + ' and ' +
                            shown(callback));
      }
      native.addModeHook(kind, name, () => { apply(callback, undefined, []); });
    };
  }
  function modeName(verb, name) {
    if (typeof name !== 'string') throw new TypeError(verb + '(name): a string is needed, not ' + shown(name));
    return name;
  }
  if (hasModes) {
    global.mode = {
      set(name) { return native.setMode(modeName('mode.set', name)); },
      is(name) { return native.isMode(modeName('mode.is', name)); },
      get() { return native.currentMode(); },
      previous() { return native.previousMode(); },
      onEnter: hook('mode.onEnter', 'enter'),
      onExit: hook('mode.onExit', 'exit'),
    };
  }

  // With no constructor that a script could have replaced.
  const settled = new Promise((resolve) => { resolve(); });
  defineProperty(settled, 'constructor', { value: undefined });
  global.queueMicrotask = function queueMicrotask(callback) {
    if (typeof callback !== 'function') {
      throw new TypeError('queueMicrotask(function): a function is needed, not ' + shown(callback));
    }
    apply(then, settled, [() => {
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
      const frames = apply(split, String(error.stack || ''), ['\n']);
      const isOwn = (frame) => apply(includes, frame, ['@' + ownName + ':']);
      let begin = 0; // behind ours, and what we have called
      for (let i = 0; i < frames.length && (isOwn(frames[i]) || apply(includes, frames[i], ['@[native code]'])); ++i) {
        if (isOwn(frames[i])) begin = i + 1;
      }
      let stack = '';
      let count = 0;
      for (let i = begin; i < frames.length; ++i) {
        const frame = frames[i];
        if (frame === '' || isOwn(frame)) continue;
        if (++count <= mostFrames) stack += '\n  ' + frame;
        const found = place === '' ? apply(exec, atEnd, [frame]) : null;
        if (found) place = found[1] + ': ';
      }
      if (count > mostFrames) stack += '\n  and ' + (count - mostFrames) + ' more';
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
