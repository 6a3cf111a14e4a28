-- The statements that change our own library, `actors/library/own_library.py`. Written with `$1`, as a `Database` takes
-- them. Tables: `actors/stores/library.sql`.

-- look: the number that goes up with every change of apps and modules
select number from library_change;

-- find_app: the app's own source of triggers
select default_js from nflow where name = $1;

-- put_app: insert or replace a playbook; its triggers stay when none are given
insert into nflow (name, json, default_js, tag) values ($1, $2, $3, $4)
on conflict (name) do update set json = excluded.json, default_js = excluded.default_js, tag = excluded.tag;

-- remove_app: take a playbook away
delete from nflow where name = $1;

-- put_module: insert or replace
insert into modules (name, form, mod, code) values ($1, $2, $3, $4)
on conflict (name) do update set form = excluded.form, mod = excluded.mod, code = excluded.code;

-- put_template: insert or replace
insert into template (name, content) values ($1, $2) on conflict (name) do update set content = excluded.content;

-- put_query: insert or replace
insert into queries (name, query) values ($1, $2) on conflict (name) do update set query = excluded.query;

-- put_user: insert or replace
insert into users (username, password, rol, active) values ($1, $2, $3, $4)
on conflict (username) do update set password = excluded.password, rol = excluded.rol, active = excluded.active;

-- put_token: insert or replace
insert into api_tokens (name, token, start, expired, active, header, token_type) values ($1, $2, $3, $4, $5, $6, $7)
on conflict (name, token_type, header, token) do update set
    start = excluded.start, expired = excluded.expired, active = excluded.active;

-- newest_version: number and hash of an app's newest version
select version, hash from versions where app = $1 order by version desc limit 1;

-- put_version: one more version
insert into versions (app, version, hash, created, source, document) values ($1, $2, $3, $4, $5, $6);

-- forget_versions: an app's versions up to a number
delete from versions where app = $1 and version <= $2;

-- list_versions: an app's versions without their documents, the newest first
select version, hash, created, source, length(cast(document as blob)) from versions
where app = $1 order by version desc;

-- get_version: one document
select document from versions where app = $1 and version = $2;

-- list_versioned: apps that have versions
select distinct app from versions order by app;
