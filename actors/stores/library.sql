-- The tables of nFlow's own database, kept in the embedded store, and the versions of documents. `schema.py` runs what is
-- here after the journal's migrations; the statements that use these tables are in `actors/library/`.

-- schema_2: nFlow's tables, versions, and a number that goes up with every change of what flows are made of
-- A trigger stands on one line: a line that ends with `;` ends a statement.
create table nflow (
    id integer primary key,
    name text not null unique,
    json text not null,
    default_js text not null default '',
    tag text not null default ''
);
create table modules (
    id integer primary key,
    name text not null unique,
    form text not null default '',
    mod text not null default '',
    code text not null
);
create table template (id integer primary key, name text not null unique, content text not null);
create table queries (id integer primary key, name text not null unique, query text not null);
create table users (
    id integer primary key,
    username text not null unique,
    password text not null,
    rol text not null default '',
    active integer not null default 1
);
create table api_tokens (
    id integer primary key,
    name text not null,
    token text not null,
    start integer,
    expired integer,
    active integer not null default 1,
    header text not null default 'Authorization',
    token_type text not null default 'Bearer',
    unique (name, token_type, header, token)
);
create table versions (
    app text not null,
    version integer not null,
    hash text not null,
    created real not null,
    source text not null,
    document text not null,
    primary key (app, version)
);
create table library_change (id integer primary key check (id = 1), number integer not null);
insert into library_change (id, number) values (1, 1);
create trigger nflow_inserted after insert on nflow begin update library_change set number = number + 1; end;
create trigger nflow_updated after update on nflow begin update library_change set number = number + 1; end;
create trigger nflow_deleted after delete on nflow begin update library_change set number = number + 1; end;
create trigger modules_inserted after insert on modules begin update library_change set number = number + 1; end;
create trigger modules_updated after update on modules begin update library_change set number = number + 1; end;
create trigger modules_deleted after delete on modules begin update library_change set number = number + 1; end;
