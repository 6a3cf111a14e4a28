// nFlow's rules: `rule_run(input, output, ...rules)`, each rule `condition | name = expression, …`. A rule whose condition
// holds assigns to the output; names are looked for in the output, then in the input. Functions come from `rule_add_fx`.
//
// Takes the table of the run's functions; one run's functions are not another's. The language: numbers, texts, true,
// false, null, names with dots, calls, `! - * / % + - < <= > >= == != && ||`, parentheses.
(function rules(parts) {
  'use strict';
  const { tableOf } = parts;
  const { hasOwn } = Object;
  const MAX_DEPTH = 100;
  const TOKEN = /\s*(?:(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([A-Za-z_$][\w$]*(?:\.[\w$]+)*)|(\|\||&&|[=!<>]=|[-+*\/%<>=!(),;|]))/y;
  const ESCAPES = { __proto__: null, n: '\n', t: '\t', r: '\r' };
  const POWER = { __proto__: null, '||': 1, '&&': 2, '==': 3, '!=': 3, '<': 4, '<=': 4, '>': 4, '>=': 4, '+': 5, '-': 5, '*': 6,
    '/': 6, '%': 6 };
  const WORDS = { __proto__: null, true: true, false: false, null: null, nil: null };

  const fail = (message) => { throw new SyntaxError('rule: ' + message); };
  const tokens = (text) => {
    const list = [];
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < text.length) {
      const at = TOKEN.lastIndex;
      const found = TOKEN.exec(text);
      if (found === null) {
        if (text.slice(at).trim() === '') break;
        fail('unexpected ' + text.slice(at).trim()[0] + ' in ' + text);
      }
      const [, number, string, name, sign] = found;
      if (number !== undefined) list.push({ value: +number });
      else if (string !== undefined)
        list.push({ value: string.slice(1, -1).replace(/\\(.)/g, (_, escaped) => ESCAPES[escaped] ?? escaped) });
      else if (name !== undefined) list.push({ name });
      else list.push({ sign });
    }
    return list;
  };

  const find = (name, output, input) => {
    const parts = name.split('.');
    let found = hasOwn(output, parts[0]) ? output : input;
    for (let i = 0; i < parts.length; i++) {
      if (found === null || typeof found !== 'object' || !hasOwn(found, parts[i])) throw new ReferenceError('rule: there is no ' + name);
      found = found[parts[i]];
    }
    return found;
  };
  const compute = (sign, left, right) => {
    switch (sign) {
      case '+': return left + right;
      case '-': return left - right;
      case '*': return left * right;
      case '/': return left / right;
      case '%': return left % right;
      case '<': return left < right;
      case '<=': return left <= right;
      case '>': return left > right;
      case '>=': return left >= right;
      case '==': return left === right;
      default: return left !== right;
    }
  };

  // Reads and computes in one go; with `live` false it only reads, as behind a `&&` that is decided.
  const evaluator = (text, output, input) => {
    const list = tokens(text);
    let at = 0, depth = 0;
    const sign = () => list[at]?.sign;
    const expect = (wanted) => {
      if (sign() !== wanted) fail('expected ' + wanted + ' in ' + text);
      at++;
    };
    const called = (name, live) => {
      const values = [];
      expect('(');
      if (sign() !== ')') {
        values.push(binary(1, live));
        while (sign() === ',') {
          at++;
          values.push(binary(1, live));
        }
      }
      expect(')');
      if (!live) return undefined;
      const run = tableOf().get(name);
      if (run === undefined) throw new ReferenceError('rule: there is no function ' + name);
      return run(...values);
    };
    const unary = (live) => {
      if (++depth > MAX_DEPTH) fail('nested too deeply: ' + text);
      try {
        const token = list[at++];
        if (token === undefined) fail('ends early: ' + text);
        if ('value' in token) return token.value;
        if (token.name !== undefined) {
          if (sign() === '(') return called(token.name, live);
          if (token.name in WORDS) return WORDS[token.name];
          return live ? find(token.name, output, input) : undefined;
        }
        if (token.sign === '!') return !unary(live);
        if (token.sign === '-') return -unary(live);
        if (token.sign !== '(') fail('unexpected ' + token.sign + ' in ' + text);
        const value = binary(1, live);
        expect(')');
        return value;
      } finally {
        depth--;
      }
    };
    const binary = (power, live) => {
      let left = unary(live);
      for (;;) {
        const operator = sign();
        const own = POWER[operator];
        if (own === undefined || own < power) return left;
        at++;
        if (operator === '&&') left = binary(own + 1, live && !!left) && !!left;
        else if (operator === '||') left = binary(own + 1, live && !left) || !!left;
        else left = compute(operator, left, binary(own + 1, live));
      }
    };
    const assignments = () => {
      for (;;) {
        const token = list[at++];
        if (token?.name === undefined) fail('expected a name to assign to in ' + text);
        expect('=');
        output[token.name] = binary(1, true);
        if (sign() !== ',' && sign() !== ';') break;
        at++;
      }
    };
    return () => {
      const holds = !!binary(1, true);
      expect('|');
      if (!holds) return;
      assignments();
      if (at < list.length) fail('unexpected text after ' + text);
    };
  };

  const made = {
    __proto__: null,
    rule_add_fx(name, run, _vm) {
      if (typeof run !== 'function') throw new TypeError('rule_add_fx(name, function) takes a function');
      tableOf().set('' + name, run);
    },
    rule_run(input, output, ...texts) {
      const told = output ?? {};
      try {
        for (let i = 0; i < texts.length; i++) evaluator('' + texts[i], told, input ?? {})();
      } catch (error) {
        return { output: told, err: error instanceof Error ? error.message : String(error) };
      }
      return { output: told, err: null };
    },
  };
  return (name) => made[name];
})
