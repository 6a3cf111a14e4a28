-- Every statement the embedded store runs. `actors/stores/statements.py` reads this file: a statement begins with a line
-- `-- name: description` and ends before the next such line. `{rows}` is replaced by groups of parameters, one for each
-- row of a chunk; a chunk that is not full is cut by the last parameter, its `limit`.

-- schema_1: the three tables
-- Ids are time-ordered (UUIDv7 texts, and integers for what has no id of its own), so rows come in at the right edge of
-- each B-tree. `process_done` lets retention find the oldest ended runs without a scan.
create table process (
    wid text primary key,
    tenant text not null,
    app text not null,
    flow text not null,
    flow_hash text not null,
    input blob not null,
    state text not null,
    owner text not null,
    epoch integer not null,
    wake_at real,
    created real not null,
    updated real not null
);
create index process_done on process (updated, wid) where state in ('end', 'error', 'cancelled');
create table step (
    id integer primary key,
    wid text not null,
    node text not null,
    visit integer not null,
    attempt integer not null,
    outcome text not null,
    output blob not null,
    started real not null,
    ended real not null,
    unique (wid, node, visit)
);
create table tracker (
    id integer primary key,
    log_id text,
    box_id text,
    box_name text,
    box_type text,
    url text,
    username text,
    connection_next text,
    duration text,
    created text,
    order_box integer,
    payload blob,
    ip text,
    real_ip text,
    user_agent text,
    query_param text,
    hostname text,
    host text
);

-- put_processes: insert or replace runs, unless another owner took one over with a later epoch
-- `where true` keeps SQLite from reading `on conflict` as a join condition.
insert into process (wid, tenant, app, flow, flow_hash, input, state, owner, epoch, wake_at, created, updated)
select * from (values {rows}) where true limit ?
on conflict (wid) do update set
    flow_hash = excluded.flow_hash, input = excluded.input, state = excluded.state, owner = excluded.owner,
    epoch = excluded.epoch, wake_at = excluded.wake_at, updated = excluded.updated
where excluded.epoch > process.epoch or (excluded.epoch = process.epoch and excluded.owner = process.owner);

-- put_steps: a completed node is never completed twice: the first completion stays
insert into step (wid, node, visit, attempt, outcome, output, started, ended)
select * from (values {rows}) where true limit ?
on conflict (wid, node, visit) do nothing;

-- put_rows: tracker rows; durations become nFlow's text (`67m` is 67 milliseconds), times become UTC text
insert into tracker (log_id, box_id, box_name, box_type, url, username, connection_next, duration, created, order_box,
    payload, ip, real_ip, user_agent, query_param, hostname, host)
select column1, column2, column3, column4, column5, column6, column7,
    cast(column8 as integer) || 'm', strftime('%Y-%m-%d %H:%M:%f', column9, 'unixepoch'),
    column10, column11, column12, column13, column14, column15, column16, column17
from (values {rows}) limit ?;

-- owner_of: who has the run, to tell which rows of a batch were refused
select owner, epoch from process where wid = ?;

-- prune_rows: the oldest tracker rows; only the first are looked at, so a bite costs the same in any table
delete from tracker where id in (
    select id from (select id, created from tracker order by id limit :bite)
    where created < strftime('%Y-%m-%d %H:%M:%f', :before, 'unixepoch'));

-- old_processes: ended runs in the order they ended, after a place
select wid, updated from process
where state in ('end', 'error', 'cancelled') and updated < :before and (updated, wid) > (:updated, :wid)
order by updated, wid limit :bite;

-- prune_steps: some steps of one run
delete from step where id in (select id from step where wid = :wid order by id limit :bite);

-- prune_process: a run whose steps are gone
delete from process where wid = :wid and not exists (select 1 from step where step.wid = :wid);

-- get_process: one run
select wid, tenant, app, flow, flow_hash, input, state, owner, epoch, wake_at, created, updated
from process where wid = ?;

-- get_steps: what a run has completed, in order of completion
select wid, node, visit, attempt, outcome, output, started, ended from step where wid = ? order by id;

-- get_rows: a page of tracker rows in nFlow's columns
select id, log_id, box_id, box_name, box_type, url, username, connection_next, duration, created, order_box, payload,
    ip, real_ip, user_agent, query_param, hostname, host
from tracker where id > ? order by id limit ?;

-- get_counts: rows of each table
select (select count(*) from process), (select count(*) from step), (select count(*) from tracker);
