// What scripts see, over the natives of natives.cpp: the globals, and the same as members of `timer`; `mode`, `console`.
// Keeps what it needs of the language, so that a script may replace any global. Its value is the function that words an
// error.
(function (native, global, scriptArguments, hasModes, hasWebRules, hasCallLimit) {
  'use strict';
  const { apply } = Reflect;
  const { Promise, Error, TypeError, String, Number, JSON, Object, WeakMap, Map, Set, RegExp } = global;
  const { forEach: forEachOfMap } = Map.prototype;
  const { forEach: forEachOfSet } = Set.prototype;
  const { isInteger } = Number;
  const { defineProperty, getOwnPropertyDescriptor, keys } = Object;
  const { hasOwnProperty } = Object.prototype;
  const { stringify } = JSON;
  const then = Promise.prototype.then;
  const { split, includes } = String.prototype;
  const { exec } = RegExp.prototype;
  const { get: getWeak, set: setWeak } = WeakMap.prototype;
  const atEnd = /([^@]*:[0-9]+):[0-9]+$/;
  // Its loops know no limit.
  if (hasCallLimit) delete global.WebAssembly;
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
    const given = keys(options);
    for (let i = 0; i < given.length; ++i) {
      if (given[i] === 'modes' || given[i] === 'onLeave' || given[i] === 'onReturn') continue;
      throw new TypeError(verb + ': the options are modes, onLeave and onReturn, not ' + shown(given[i]));
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

  function arm(verb, isInterval, delay, binding, call) {
    const id = native.set(verb, isInterval, delay, call);
    if (binding) {
      const { names, onLeave, onReturn } = binding;
      native.bind(verb, id, names, onLeave, onReturn, shown(onLeave), shown(onReturn));
    }
    return id;
  }

  // The id of a new timer. What a timer object needs of it beside that goes into `made`.
  function create(verb, isInterval, first, second, rest, made) {
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
    const call = () => {
      try {
        apply(callback, receiver, given);
      } catch (error) {
        if (!(error instanceof Error)) lastThrow = { __proto__: null, error, callback };
        throw error;
      }
    };
    if (made === undefined || isInterval || !hasWebRules) return arm(verb, isInterval, arranged.delay, binding, call);
    // As in Node, `refresh` of one that has fired arms it again; of one that was ended it does not.
    const callOnce = () => {
      made.wasRefreshed = false;
      try {
        call();
      } finally {
        made.hasFired = !made.wasRefreshed && native.isLive(made.id);
        made.isKept = native.isKept(made.id);
      }
    };
    made.again = () => {
      made.hasFired = false;
      const { isKept } = made;
      made.id = arm(verb, false, arranged.delay, binding, callOnce);
      if (!isKept) native.keep(made.id, false);
    };
    return arm(verb, false, arranged.delay, binding, callOnce);
  }

  // Undefined for what is no timer, as a proxy of one: nothing of the script runs for that.
  const timers = new WeakMap();
  function timerIdOf(value) {
    const made = apply(getWeak, timers, [value]);
    return made === undefined ? undefined : made.id;
  }
  class Timer {
    constructor(verb, isInterval, callback, delay, rest) {
      const made = { __proto__: null, id: 0, hasFired: false, wasRefreshed: false, isKept: true, again: undefined };
      made.id = create(verb, isInterval, callback, delay, rest, made);
      apply(setWeak, timers, [this, made]);
      defineProperty(this, 'id', { __proto__: null, get: () => made.id, enumerable: true });
    }
    pause() { return native.pause(ownId('pause', this)); }
    resume() { return native.resume(ownId('resume', this)); }
    stop() { return end('stop', this); }
    cancel() { return end('cancel', this); }
    refresh() { ownId('refresh', this); refresh(this); return this; }
    ref() { native.keep(ownId('ref', this), true); return this; }
    unref() { native.keep(ownId('unref', this), false); return this; }
    hasRef() { return native.isKept(ownId('hasRef', this)); }
    status() { return native.status(ownId('status', this)); }
    wait() { return waitFor(ownId('wait', this)); }
    [Symbol.toPrimitive]() { return ownId('valueOf', this); }
  }
  // One that was ended never fires again.
  function end(verb, value) {
    const id = ownId(verb, value);
    apply(getWeak, timers, [value]).hasFired = false;
    return native.clear(id);
  }
  function refresh(value) {
    const made = apply(getWeak, timers, [value]);
    if (made === undefined) return native.refresh(timerOf('refresh', value));
    made.wasRefreshed = true;
    if (native.refresh(made.id)) return true;
    if (!made.hasFired) return false;
    made.again();
    return true;
  }
  // Of an id, or of a timer.
  function clear(value) {
    const made = apply(getWeak, timers, [value]);
    if (made !== undefined) made.hasFired = false;
    return native.clear(idOf(value));
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
  // Calls a function in a scope, which it answers. One that throws leaves nothing of it; for one that is interrupted,
  // where no `finally` runs, the engine sees to that.
  function inScope(callback, options) {
    if (typeof callback !== 'function' || (typeof options !== 'object' && options !== undefined) || options === null) {
      throw new TypeError('scope(function, options): a function is needed, and an object with modes or nothing, not ' +
                          shown(callback) + ' and ' + shown(options));
    }
    const binding = bindingOf('scope', options);
    if (options !== undefined && !binding) {
      throw new TypeError("scope: its options need modes, as in {modes: ['work']}");
    }
    const scope = native.enterScope();
    let hasReturned = false;
    try {
      if (binding) {
        const { names, onLeave, onReturn } = binding;
        native.bindScope('scope', scope, names, onLeave, onReturn, shown(onLeave), shown(onReturn));
      }
      apply(callback, undefined, []);
      hasReturned = true;
    } finally {
      native.exitScope(scope, hasReturned);
    }
    return new Scope(native.ownScope(scope, binding !== null));
  }

  // Whether it ticked; false when it ended without.
  function waitFor(id) {
    return new Promise((resolve) => { native.nextTick(id, (ticked) => resolve(ticked)); });
  }

  const timer = {
    setTimeout(callback, delay, ...rest) { return create('setTimeout', false, callback, delay, rest); },
    setInterval(callback, delay, ...rest) { return create('setInterval', true, callback, delay, rest); },
    timeout(callback, delay, ...rest) { return new Timer('timeout', false, callback, delay, rest); },
    interval(callback, delay, ...rest) { return new Timer('interval', true, callback, delay, rest); },
    clearTimeout(id) { return clear(id); },
    clearInterval(id) { return clear(id); },
    stopTimer(id) { return clear(id); },
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
    clear(id) { return clear(id); },
    status(id) { return native.status(idOf(id)); },
    pause(id) { return native.pause(timerOf('pause', id)); },
    resume(id) { return native.resume(timerOf('resume', id)); },
    refresh(id) { return refresh(id); },
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
    try {
      return value instanceof Error ? describe(value) : inside(value, null);
    } catch {
      return '[' + typeof value + ']';
    }
  }
  // Much as JSON has it, and what JSON has not, as the language writes it. `around` is a chain of the objects it is in.
  function inside(value, around) {
    switch (typeof value) {
      case 'string': return stringify(value);
      case 'bigint': return String(value) + 'n';
      case 'function': return '[function ' + value.name + ']';
      case 'object': break;
      default: return String(value);
    }
    if (value === null) return 'null';
    if (value instanceof Error || value instanceof RegExp) return String(value);
    for (let one = around; one !== null; one = one.around) if (one.value === value) return '[circular]';
    const here = { __proto__: null, value, around };
    let text = '';
    const add = (words) => { text += (text === '' ? '' : ',') + words; };
    if (value instanceof Map) {
      apply(forEachOfMap, value, [(item, key) => { add(inside(key, here) + '=>' + inside(item, here)); }]);
      return 'Map{' + text + '}';
    }
    if (value instanceof Set) {
      apply(forEachOfSet, value, [(item) => { add(inside(item, here)); }]);
      return 'Set{' + text + '}';
    }
    if (typeof value.toJSON === 'function') return inside(value.toJSON(), here);
    if (native.isArray(value)) {
      for (let i = 0; i < value.length; ++i) add(inside(value[i], here));
      return '[' + text + ']';
    }
    const names = keys(value);
    for (let i = 0; i < names.length; ++i) add(stringify(names[i]) + ':' + inside(value[names[i]], here));
    return '{' + text + '}';
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

  // What is no Error has neither line nor stack; a timer's function is told at least, if it has a name.
  let lastThrow;
  function describeOther(value) {
    let from = '';
    if (lastThrow !== undefined && (lastThrow.error === value || value !== value)) {
      const name = ownValue(lastThrow.callback, 'name');
      if (typeof name === 'string' && name !== '') from = ' in ' + name;
      lastThrow = undefined;
    }
    return 'uncaught ' + show(value) + from + ' (no Error, so without its place)';
  }

  // FILE:LINE: Kind: message, and the stack. The frames of this file are not the script's: an error thrown here has the
  // place of its call.
  function describe(error) {
    try {
      if (!(error instanceof Error)) return describeOther(error);
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
