-- Sessions in PostgreSQL. `actors/stores/statements.py` reads this file: a statement begins with a line
-- `-- name: description` and ends before the next such line. Times are the server's, in Unix seconds.

-- lock: two servers that start together must not both create the table
select pg_advisory_xact_lock(7306087)::text as locked

-- table: one row for each session
create table if not exists nflow_session (
    id text primary key,
    maps text not null,
    expires double precision not null
)

-- expiry: finds what has expired without a scan
create index if not exists nflow_session_expires on nflow_session (expires)

-- load: the session, and whether its expiry should be put off: it is when a hundredth of the lifetime has passed
select maps, expires < extract(epoch from clock_timestamp())::float8 + $2::float8 * 0.99 as aged
from nflow_session
where id = $1 and expires > extract(epoch from clock_timestamp())::float8

-- use: put the expiry off
update nflow_session set expires = extract(epoch from clock_timestamp())::float8 + $2::float8 where id = $1

-- hold: the session, until the end of the transaction nobody else's
select maps from nflow_session where id = $1 and expires > extract(epoch from clock_timestamp())::float8 for update

-- begin: a new session
insert into nflow_session (id, maps, expires) values ($1, $2, extract(epoch from clock_timestamp())::float8 + $3::float8)

-- save: the whole session, perhaps under a new id
update nflow_session set maps = $2, expires = extract(epoch from clock_timestamp())::float8 + $3::float8, id = $4 where id = $1

-- end: forget it
delete from nflow_session where id = $1

-- sweep: throw away a bite of what has expired
delete from nflow_session where id in (
    select id from nflow_session where expires <= extract(epoch from clock_timestamp())::float8 order by expires limit 1000
)

-- clear: end them all
delete from nflow_session

-- count: those that have not expired
select count(*)::int4 as sessions from nflow_session where expires > extract(epoch from clock_timestamp())::float8
