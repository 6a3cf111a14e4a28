// How a realm asks the runtime, and what keeps a run going while it waits. `host(kind, name, argumentsJSON)` is the
// sandbox process around the realm (`child/calls.py`): its answer is `1` and JSON, or `0` and the JSON of an error.
//
// A call blocks; a local one is done in this process; what is sent is answered later, to `deliver`. Invariant: only texts
// cross, written and read by private copies of the engine's functions; after `reset` nothing waits here, and a reply to
// what an earlier run sent finds nobody.
(function loop(host, grow, mend) {
  'use strict';
  const { apply } = Reflect;
  const { defineProperty } = Object;
  const { parse, stringify } = JSON;
  const { slice } = String.prototype;
  const Text = String, Failure = Error, Later = Promise;
  const MAX_LOCAL = 16 << 20; // characters of the arguments of a local function: they leave the realm, not the process

  const written = (values) => {
    let json = '[';
    for (let i = 0; i < values.length; i++) json += (i === 0 ? '' : ',') + (stringify(values[i]) ?? 'null');
    return mend(json + ']');
  };
  const rest = (reply) => parse(apply(slice, reply, [1]));
  // `error` was made where the call was made, so its stack leads there.
  const filled = (error, told) => {
    defineProperty(error, 'message', { value: told.message, writable: true, enumerable: false, configurable: true });
    defineProperty(error, 'name', { value: told.name, writable: true, enumerable: false, configurable: true });
    return error;
  };

  const call = (name, values) => {
    const json = written(values);
    grow(json.length);
    const reply = host('call', name, Text(json)); // Text(): the engine's binding cannot take a rope
    if (reply[0] === '1') return rest(reply);
    throw filled(new Failure(), rest(reply));
  };
  const local = (name, values) => {
    const json = written(values);
    if (json.length > MAX_LOCAL) throw new RangeError('the arguments of ' + name + ' are too large');
    const reply = host('local', name, Text(json));
    if (reply[0] === '1') return rest(reply);
    throw filled(new Failure(), rest(reply));
  };

  let waiting = { __proto__: null }; // by the number of its call: who is told the reply
  let used = false;
  let count = 0; // of those that keep the run going
  // Send a call. `settle(ok, value)` is told of its end; `keeps`: the run does not end before.
  const post = (name, values, settle, keeps) => {
    const json = written(values);
    grow(json.length);
    const reply = host('send', name, Text(json));
    if (reply[0] !== '1') throw filled(new Failure(), rest(reply));
    used = true;
    waiting[rest(reply)] = { settle, keeps };
    if (keeps) count++;
  };
  const send = (name, values) => new Later((resolve, reject) => {
    const error = new Failure();
    post(name, values, (ok, value) => ok ? resolve(value) : reject(filled(error, value)), true);
  });
  const deliver = (number, reply) => {
    const waiter = waiting[number];
    if (waiter === undefined) return;
    delete waiting[number];
    if (waiter.keeps) count--;
    waiter.settle(reply[0] === '1', rest(reply));
  };

  // The timers of the realm, once a script has reached one (`surface/timers.js`).
  let timers;
  const keepTime = (given) => { timers = given; };
  let told = false; // the process knows that this run may outlast its jobs
  const outlast = () => {
    if (told) return;
    told = true;
    host('wait', '', '');
  };

  // What is to be done when no job is left: 0 nothing, the run may end; 1 wait for a reply; 2 a timer ran, do its jobs.
  const due = () => {
    if (timers !== undefined) {
      if (timers.run()) return 2;
      if (timers.arm()) return 1;
    }
    return count > 0 ? 1 : 0;
  };
  const reset = () => {
    told = false; // of `outlast`
    if (timers !== undefined) timers.reset();
    if (!used) return;
    used = false;
    waiting = { __proto__: null };
    count = 0;
  };
  return { call, local, send, post, deliver, due, reset, keepTime, outlast };
})
