// One realm's side of running scripts: the globals of nFlow, the run, and its reply. Linked once per realm: `host` is the
// process around it (`loop.js`), the limits are what one run may write, and the functions are the other files.
//
// Invariants: only texts cross to the outside, written by private copies of the engine's functions; what a script throws
// is read inside its own limits; and `finish` says whether the realm is, for the next run, what it was before this one.
(function playbook(host, shared, outputLimit, logLimit, maxSleep, plugins, harden, gojson, makeLoop, makeVariables, context) {
  'use strict';
  const G = globalThis;
  const { apply, deleteProperty, ownKeys } = Reflect;
  const { defineProperty, freeze, getPrototypeOf, isExtensible, prototype: ObjectPrototype } = Object;
  const { parse, stringify } = JSON;
  const { isError } = Error;
  const stackOf = Object.getOwnPropertyDescriptor(Error.prototype, 'stack').get;
  const PromisePrototype = Promise.prototype;
  const { then } = PromisePrototype;
  const { isPrototypeOf } = ObjectPrototype;
  const InternalFailure = InternalError, InternalErrors = InternalError.prototype;
  const { includes, replaceAll, slice, split, startsWith, toWellFormed, trim } = String.prototype;
  const { includes: hasName } = Array.prototype;
  const Text = String;
  const Failure = Error;
  const FunctionTable = Map;
  const { now: wall } = Date;
  const { now: clock } = performance;
  const settle = harden(shared);
  const takeSlot = () => {
    const value = G.__nflow;
    deleteProperty(G, '__nflow');
    return value;
  };
  const load = (name) => {
    if (host('load', name, '')[0] !== '1') throw new InternalFailure('out of memory');
    return takeSlot();
  };

  // --- limits --------------------------------------------------------------------------------------------------------

  let over = ''; // the limit this run went over, also when the script caught the error
  const grow = (length) => {
    if (length <= outputLimit) return;
    over = 'output';
    throw new RangeError('the output is larger than ' + outputLimit + ' bytes');
  };
  const { encode, indent, mend } = gojson(grow);
  const MAX_NAME = 200, MAX_MESSAGE = 4000, MIN_ENTRY = 256;
  // Text for the parent: it takes no NUL and no lone surrogate.
  const clean = (text, most) => {
    text = apply(slice, text, [0, most]);
    if (apply(includes, text, ['\0'])) text = apply(replaceAll, text, ['\0', '\ufffd']);
    return stringify(apply(toWellFormed, text, []));
  };

  const loop = makeLoop(host, grow, mend);
  const { call, send } = loop;
  const variables = makeVariables(mend);
  // What is loaded when it is first used: in a realm of many runs, now.
  const seldom = (name) => {
    let made = shared ? load(name) : undefined;
    return (...given) => (made ??= load(name))(...given);
  };
  const { c, begin, formOf, head, body } = context(seldom, { encode, indent }, grow,
    { call, send, log: (level, values) => log(level, values) });
  // Parts of `c` are made when asked for. In a realm of many runs that is now, or a run's own `Object` might go into them.
  if (shared) for (const part of [c.request, c.Request(), c.Response(), c.Logger()]) settle(part);

  // --- console -------------------------------------------------------------------------------------------------------

  let logs = '';
  let logRoom = 0;
  const shown = (value) => {
    switch (typeof value) {
      case 'string': return value;
      case 'function': return '[function]';
      case 'object': break;
      default: return Text(value);
    }
    if (value === null) return 'null';
    if (isError(value)) return value.name + ': ' + value.message;
    return stringify(value) ?? Text(value);
  };
  const log = (level, values) => {
    if (logRoom <= 0) return;
    let text = '';
    for (let i = 0; i < values.length; i++) {
      try {
        text += (i === 0 ? '' : ' ') + shown(values[i]);
      } catch {
        text += ' [unreadable]';
      }
    }
    const entry = clean(text, logRoom);
    logRoom -= entry.length < MIN_ENTRY ? MIN_ENTRY : entry.length; // many short lines cost the server as much as few long ones
    logs += ',["' + level + '",' + entry + ']';
    if (logRoom <= 0) logs += ',["warn","further logs of this run were dropped"]';
  };
  const console = {};
  for (const level of ['log', 'error', 'warn', 'info', 'debug'])
    console[level] = freeze({ [level](...values) { log(level, values); } }[level]);
  freeze(console);
  const logField = () => logs === '' ? '' : ',"logs":[' + apply(slice, logs, [1]) + ']';

  // --- globals ---------------------------------------------------------------------------------------------------------

  // How each global comes about. Only those a script's text can reach are set (`child/names.py` decides), as configurable
  // properties that `sweep` removes after the run.
  let request, script, previous, payloadText, data, environment, ruleTable;
  const vars = () => script.changesVars ? variables.of(request?.vars) : variables.read(request?.vars);
  const envOf = () => environment ??= request?.env ?? {};
  const ownData = () => data ??= parse(script.data);
  const globals = {
    __proto__: null,
    payload: () => parse(payloadText),
    next: () => 'output_1',
    c: () => c,
    echo_context: () => c,
    console: () => console,
    vars,
    path_vars: vars,
    post_data: () => request?.post_data ?? {},
    form: formOf,
    header: () => request?.headers ?? {},
    env: envOf,
    config: () => ({}), // Go hides each of its fields
    nflow_data: ownData,
    dromedary_data: ownData,
    nflow_endpoint: () => request?.endpoint ?? '',
    wid: () => request?.wid ?? '',
    url_base: () => request?.url_base ?? '',
    current_box: () => script.box,
    prev_box: () => previous,
    __outputs: () => parse(script.outputs),
    __flow_name: () => script.flowName,
    __flow_app: () => script.flowApp,
  };
  // The other globals are in rooms, which are linked when a script first reaches one of their names. A room is a function
  // from a name to its value, the same for every run.
  const rooms = [];
  let roomParts;
  const furnish = () => {
    roomParts ??= { ...loop, settle, shared, console, log, envOf, tableOf: () => ruleTable ??= new FunctionTable(), wall, clock, maxSleep,
      plugins: plugins === '' ? [] : apply(split, plugins, [',']) };
    rooms[rooms.length] = takeSlot()(roomParts);
  };
  const makerOf = (name) => {
    for (let i = 0; globals[name] === undefined && i < rooms.length; i++) {
      const value = rooms[i](name);
      if (value === undefined) continue;
      settle(value);
      globals[name] = () => value;
    }
    return globals[name];
  };

  const basePrototype = getPrototypeOf(G);
  const base = new Set(shared ? ownKeys(G) : []); // only a realm of many runs is swept
  const isBase = base.has;
  const baseCount = base.size;
  // Let go of what the run left, and take it away from the global object. False: it cannot be made what it was.
  const sweep = () => {
    loop.reset();
    variables.reset();
    environment = ruleTable = undefined;
    const { names } = script;
    for (let i = 0; i < names.length; i++) if (!deleteProperty(G, names[i])) return false;
    if (!isExtensible(G) || getPrototypeOf(G) !== basePrototype) return false;
    const left = ownKeys(G);
    if (left.length === baseCount) return true; // what is of the base cannot be deleted, so this is it
    for (let i = 0; i < left.length; i++)
      if (!apply(isBase, base, [left[i]]) && !deleteProperty(G, left[i])) return false;
    return ownKeys(G).length === baseCount;
  };

  // --- scripts ---------------------------------------------------------------------------------------------------------

  // `factory` makes a new function of the script's text on each call, so what a run hangs on its function goes with it.
  const scripts = { __proto__: null };
  const install = (key, entry, reached, publishes, changesVars, data, outputs, box, flowName, flowApp) => {
    const wanted = reached === '' ? [] : apply(split, reached, [',']);
    const names = [], makers = [];
    for (let i = 0; i < wanted.length; i++) {
      const maker = makerOf(wanted[i]);
      if (maker === undefined) continue;
      makers[names.length] = maker;
      names[names.length] = wanted[i];
    }
    scripts[key] = {
      factory: takeSlot(), names, makers, returns: entry !== 'main', publishes, changesVars, data, outputs, box, flowName,
      flowApp, payload: apply(hasName, names, ['payload']), next: apply(hasName, names, ['next']),
      vars: apply(hasName, names, ['vars']) || apply(hasName, names, ['path_vars']),
    };
  };
  const forget = (key) => { delete scripts[key]; };

  // --- one run ---------------------------------------------------------------------------------------------------------

  const NONE = 0, PENDING = 1, FULFILLED = 2, REJECTED = 3;
  let state = NONE;
  let result; // what the script returned, or what its promise became
  let published; // reads of the script's own `next` and `payload`, where it declares them itself

  // Set the globals and call the script. Returns '' or, when it threw, the failure as JSON.
  const run = (key, requestText, payload, before) => {
    script = scripts[key];
    over = '';
    logs = '';
    logRoom = logLimit;
    state = NONE;
    result = published = data = undefined;
    payloadText = payload;
    previous = before;
    try {
      request = requestText === '{}' ? undefined : parse(requestText);
      begin(request);
      const { names, makers } = script;
      for (let i = 0; i < names.length; i++) G[names[i]] = makers[i]();
      const made = script.factory();
      result = made();
      if (script.publishes) {
        published = result;
        result = result[0];
      }
      if (typeof result === 'object' && result !== null && getPrototypeOf(result) !== ObjectPrototype
          && apply(isPrototypeOf, PromisePrototype, [result])) {
        const promise = result;
        state = PENDING;
        apply(then, promise, [(value) => { state = FULFILLED; result = value; },
          (reason) => { state = REJECTED; result = reason; }]);
      }
      return '';
    } catch (error) {
      return describe(error);
    }
  };

  // After the last job: the reply. '1' (the realm is clean) or '0', then the head and the segments; or
  // 'E' and the failure. An empty payload segment means: as it was sent.
  const finish = () => {
    try {
      if (state === REJECTED) return Text('E' + describe(result)); // Text(): no rope, as above
      if (state === PENDING) throw new Failure('the script awaits something that never comes');
      if (over !== '') throw new RangeError(over + ' limit exceeded');
      let payload = '';
      if (script.returns && result !== undefined) payload = mend(stringify(result) ?? 'null');
      else if (script.payload) payload = mend(stringify(published === undefined ? G.payload : published[2]()) ?? 'null');
      grow(payload.length);
      let next = '{"next":"output_1"';
      if (script.next) next = '{"next":' + clean(Text(published === undefined ? G.next : published[1]()), MAX_NAME);
      const reply = next + head() + (script.vars ? variables.field() : '') + logField() + '}\n' + payload + body();
      return Text((shared && sweep() ? '1' : '0') + reply);
    } catch (error) {
      return Text('E' + describe(error));
    }
  };

  // --- failures --------------------------------------------------------------------------------------------------------

  // The first frame of the script's own text: `at main (workflow:2:9)`.
  const place = (stack) => {
    const lines = apply(split, stack, ['\n']);
    for (let i = 0; i < lines.length; i++) {
      if (!apply(includes, lines[i], ['workflow:'])) continue;
      const line = apply(trim, lines[i], []);
      if (!apply(startsWith, line, ['at <anonymous> ('])) return ' ' + line;
      return ' at ' + apply(slice, line, [16, -1]);
    }
    return '';
  };
  const describe = (error, kind = 'exception') => {
    let name = '', message = '', stack = '';
    try {
      if (isError(error)) {
        const trace = apply(stackOf, error, []);
        if (typeof trace === 'string') stack = trace;
        name = Text(error.name);
        message = Text(error.message);
        if (getPrototypeOf(error) === InternalErrors && message === 'out of memory') kind = 'memory';
        if (name === 'RangeError' && message === 'Maximum call stack size exceeded') kind = 'stack';
        if (name !== '') message = message === '' ? name : name + ': ' + message;
      } else message = Text(error);
    } catch {
      message ||= 'the script threw something that cannot be read';
    }
    try {
      message = apply(slice, message, [0, MAX_MESSAGE]) + place(stack);
      return Text('"kind":' + stringify(over || kind) + ',"name":' + clean(name, MAX_NAME) + ',"message":'
        + clean(message, MAX_MESSAGE + MAX_NAME) + ',"stack":' + clean(stack, MAX_MESSAGE) + logField() + '}');
    } catch {
      return '"kind":"odd","name":"","message":"the failure of the script cannot be told","stack":""}';
    }
  };
  const spill = () => Text(logField());
  const refused = () => {
    over = '';
    logs = '';
    return describe(takeSlot(), 'compile');
  };

  // After a failure that was told: is the realm as clean as after a success?
  const swept = () => shared && sweep();

  // What is to be done when no job is left (see `loop.js`). A rejected main ends its run at once.
  const due = () => state === REJECTED ? 0 : loop.due();
  const unhandled = () => log('warn', ['unhandled rejection:', takeSlot()]);

  const parts = { __proto__: null, install, furnish, forget, run, due, deliver: loop.deliver, unhandled, finish, swept, refused,
    spill };
  return (name) => parts[name];
})
