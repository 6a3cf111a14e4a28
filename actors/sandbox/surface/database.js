// `db` of the nFlow manual, one realm's: queries, statements and transactions, each call a promise. Takes `send`.
//
// Parameters are an array or the rest of the arguments, and are always bound; dates go as ISO texts. A transaction is
// named by the id that the runtime gave it; one that its script does not end is rolled back with the script.
(function database(parts) {
  'use strict';
  const { send } = parts;
  const { isArray } = Array;
  const { isView } = ArrayBuffer;
  const DatePrototype = Date.prototype;

  const buffer = (bytes) => ({ type: 'Buffer', data: bytes.toBase64() });
  const bound = (value) => {
    if (value === undefined) return null;
    if (typeof value === 'bigint') return '' + value;
    if (value instanceof Date) return DatePrototype.toISOString.call(value);
    if (isView(value)) return buffer(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    if (value instanceof ArrayBuffer) return buffer(new Uint8Array(value));
    return value;
  };
  const parameters = (values) => (values.length === 1 && isArray(values[0]) ? values[0] : values).map(bound);
  const text = (sql) => {
    if (typeof sql !== 'string') throw new TypeError('db: the statement is a text');
    return sql;
  };

  // Queries and statements on `transaction`, an id or undefined; `check` throws once it has ended.
  const connection = (transaction, check) => {
    const asked = async (name, sql, values) => {
      check();
      const wire = [text(sql), parameters(values)];
      if (transaction !== undefined) wire.push(transaction);
      return send(name, wire);
    };
    const query = (sql, ...values) => asked('db.query', sql, values);
    const exec = (sql, ...values) => asked('db.exec', sql, values);
    const queryRow = async (sql, ...values) => (await query(sql, ...values))[0] ?? null;
    const prepare = (sql) => {
      text(sql);
      return {
        query: (...values) => query(sql, ...values),
        exec: (...values) => exec(sql, ...values),
        queryRow: (...values) => queryRow(sql, ...values),
        close() {},
      };
    };
    return { query, exec, queryRow, prepare };
  };

  const begin = async () => {
    const id = await send('db.begin', []);
    let ended = false;
    const check = () => { if (ended) throw new Error('db: the transaction has ended'); };
    const end = async (name) => {
      check();
      ended = true;
      await send(name, [id]);
    };
    const transaction = connection(id, check);
    transaction.commit = () => end('db.commit');
    transaction.rollback = () => end('db.rollback');
    return { transaction, isOver: () => ended };
  };
  const inTransaction = async (work) => {
    if (typeof work !== 'function') throw new TypeError('db.transaction(async (tx) => …) takes a function');
    const { transaction, isOver } = await begin();
    let value;
    try {
      value = await work(transaction);
    } catch (error) {
      try {
        if (!isOver()) await transaction.rollback();
      } catch {} // what went wrong first is what the script is told
      throw error;
    }
    if (!isOver()) await transaction.commit();
    return value;
  };

  const db = connection(undefined, () => {});
  db.begin = async () => (await begin()).transaction;
  db.transaction = inTransaction;
  return (name) => name === 'db' ? db : undefined;
})
