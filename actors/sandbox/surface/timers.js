// setTimeout and its kin, and queueMicrotask, for one realm: one list of timers, and at most one `sleep` of the runtime
// that wakes the run for the earliest of them. A run waits for its timers; at its end none is left.
//
// Invariant: what a callback throws is its own affair: it is logged, and the run goes on.
(function timers(parts) {
  'use strict';
  const { post, keepTime, outlast, log, maxSleep, clock } = parts;
  const { apply } = Reflect;
  const MOST = 1000; // timers at once
  const MAX_DELAY = 0x7fffffff;
  const { then } = Promise.prototype;
  const resolved = Promise.resolve();

  let list = []; // { id, at, callback, values, every }
  let last = 0;
  let armed = Infinity; // when the runtime wakes the run, should it

  const earliest = () => {
    let found = -1;
    for (let i = 0; i < list.length; i++)
      if (found < 0 || list[i].at < list[found].at || (list[i].at === list[found].at && list[i].id < list[found].id)) found = i;
    return found;
  };
  const remove = (place) => {
    for (let i = place + 1; i < list.length; i++) list[i - 1] = list[i];
    list.length--;
  };
  const set = (name, callback, delay, values, repeats) => {
    if (typeof callback !== 'function') throw new TypeError(name + ' takes a function');
    if (list.length >= MOST) throw new RangeError('a script may have ' + MOST + ' timers at once');
    let ms = +delay;
    if (!(ms >= 1 && ms <= MAX_DELAY)) ms = repeats ? 1 : 0;
    outlast();
    const id = ++last;
    list[list.length] = { id, at: clock() + ms, callback, values, every: repeats ? ms : 0 };
    return id;
  };
  const clear = (id) => {
    const number = +id;
    for (let i = 0; i < list.length; i++)
      if (list[i].id === number) {
        remove(i);
        return;
      }
  };

  // Run the timer that is due first, if any is.
  const run = () => {
    const place = earliest();
    if (place < 0 || list[place].at > clock()) return false;
    const timer = list[place];
    if (timer.every === 0) remove(place);
    else timer.at = clock() + timer.every;
    try {
      apply(timer.callback, undefined, timer.values);
    } catch (error) {
      log('warn', ['uncaught in a timer:', error]);
    }
    return true;
  };
  // Before a wait: have the runtime wake the run for the earliest timer. False when there is none.
  const arm = () => {
    const place = earliest();
    if (place < 0) return false;
    const at = list[place].at;
    if (armed <= at) return true;
    const begun = clock();
    const ms = Math.ceil(at - begun);
    const chunk = ms < maxSleep ? (ms < 1 ? 1 : ms) : maxSleep;
    const wakes = begun + chunk;
    armed = wakes;
    post('sleep', [chunk], () => { if (armed === wakes) armed = Infinity; }, false);
    return true;
  };
  const reset = () => {
    if (list.length !== 0) list = [];
    last = 0;
    armed = Infinity;
  };
  keepTime({ run, arm, reset });

  const made = {
    __proto__: null,
    setTimeout(callback, delay, ...values) { return set('setTimeout', callback, delay, values, false); },
    setInterval(callback, delay, ...values) { return set('setInterval', callback, delay, values, true); },
    setImmediate(callback, ...values) { return set('setImmediate', callback, 0, values, false); },
    clearTimeout(id) { clear(id); },
    clearInterval(id) { clear(id); },
    clearImmediate(id) { clear(id); },
    queueMicrotask(callback) {
      if (typeof callback !== 'function') throw new TypeError('queueMicrotask takes a function');
      apply(then, resolved, [() => { callback(); }]);
    },
  };
  return (name) => made[name];
})
