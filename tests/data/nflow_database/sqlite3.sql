-- A database as nFlow's designer leaves it, for sqlite3: every table of the facts' schema, and a few rows.
-- Each statement ends with a line that ends with `;`.
CREATE TABLE nflow (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(200),
    json TEXT,
    default_js TEXT,
    tag VARCHAR(200)
);
CREATE TABLE modules (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(200),
    form TEXT,
    mod TEXT,
    code TEXT
);
CREATE TABLE template (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(200),
    content TEXT
);
CREATE TABLE queries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(200),
    query TEXT
);
CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username VARCHAR(200),
    password VARCHAR(200),
    rol VARCHAR(50),
    active BOOLEAN
);
CREATE TABLE api_tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(200),
    token VARCHAR(500),
    start INTEGER,
    expired INTEGER,
    active BOOLEAN,
    header VARCHAR(100) DEFAULT 'Authorization',
    token_type VARCHAR(50) DEFAULT 'Bearer'
);
CREATE TABLE tracker (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    log_id TEXT,
    box_id TEXT,
    box_name TEXT,
    box_type TEXT,
    url TEXT,
    username TEXT,
    connection_next TEXT,
    duration TEXT,
    created DATETIME DEFAULT CURRENT_TIMESTAMP,
    order_box INT,
    payload BLOB,
    ip TEXT,
    real_ip TEXT,
    user_agent TEXT,
    query_param TEXT,
    hostname TEXT,
    host TEXT
);
INSERT INTO nflow (name, json, default_js, tag) VALUES ('shop', '{"drawflow": {}}', '', '');
INSERT INTO nflow (name, json, default_js, tag) VALUES ('shop', '{"drawflow": {"Hello": {"data": {"Hellos": {"data": {"type": "starter", "method": "GET", "urlpattern": "/shop/hello/:name", "nflow_auth": "false"}, "outputs": {"output_1": {"connections": [{"node": "Helloa", "output": "input_1"}]}}}, "Helloa": {"data": {"type": "js", "code": "function main(){ c.JSON(200, {hello: vars.name}) }"}, "outputs": {}}}}, "Greet": {"data": {"Greets": {"data": {"type": "starter", "method": "GET", "urlpattern": "/shop/greet", "nflow_auth": "false"}, "outputs": {"output_1": {"connections": [{"node": "Greeta", "output": "input_1"}]}}}, "Greeta": {"data": {"type": "js", "script": "greet", "greeting": "hola"}, "outputs": {}}}}}}', 'function auth() { if (!exist_profile()) { next = ''login'' } } function log() { console.log(''logged'') }', '');
INSERT INTO nflow (name, json, default_js, tag) VALUES ('login', '{"drawflow": {"Login": {"data": {"Logins": {"data": {"type": "starter", "method": "GET", "urlpattern": "/login/:user/:password", "nflow_auth": "false"}, "outputs": {"output_1": {"connections": [{"node": "Logina", "output": "input_1"}]}}}, "Logina": {"data": {"type": "js", "code": "function main(){ c.JSON(200, {valid: validate_user(vars.user, vars.password), user: get_user(vars.user)}) }"}, "outputs": {}}}}, "Page": {"data": {"Pages": {"data": {"type": "starter", "method": "GET", "urlpattern": "/page/:name", "nflow_auth": "false"}, "outputs": {"output_1": {"connections": [{"node": "Pagea", "output": "input_1"}]}}}, "Pagea": {"data": {"type": "js", "code": "function main(){ c.String(200, get_template(vars.name)) }"}, "outputs": {}}}}, "Token": {"data": {"Tokens": {"data": {"type": "starter", "method": "GET", "urlpattern": "/token", "nflow_auth": "false"}, "outputs": {"output_1": {"connections": [{"node": "Tokena", "output": "input_1"}]}}}, "Tokena": {"data": {"type": "js", "code": "function main(){ c.JSON(200, {valid: validate_token(''api1'')}) }"}, "outputs": {}}}}}}', '', '');
INSERT INTO nflow (name, json, default_js, tag) VALUES ('broken', '{"drawflow": {"Broken": {"data": {"b": {"data": {}, "outputs": {}}}}}}', '', '');
INSERT INTO modules (name, form, mod, code) VALUES ('greet', '<input>', '{"title": "Greet", "in": 1, "out": 0}', 'function main() { c.JSON(200, {said: nflow_data.greeting + ''!''}) }');
INSERT INTO template (name, content) VALUES ('welcome', '<h1>Bienvenido {{.name}} ñ</h1>');
INSERT INTO queries (name, query) VALUES ('QueryGetApp', 'SELECT json,default_js FROM nflow WHERE name=$1');
INSERT INTO queries (name, query) VALUES ('QueryGetUser', 'select id,username,password,rol,active from users where username = $1');
INSERT INTO queries (name, query) VALUES ('QueryGetModules', 'SELECT name FROM modules');
INSERT INTO users (username, password, rol, active) VALUES ('dev1', '271057c52cda3957b2be61d6744ea10e4fc90e4208b9bfad12fadb1a38c4f62c', 'ROL_DEV', 1);
INSERT INTO users (username, password, rol, active) VALUES ('admin', '30bb8411dd0cbf96b10a52371f7b3be1690f7afa16c3bd7bc7d02c0e2854768d', 'ROL_ADMIN', 1);
INSERT INTO users (username, password, rol, active) VALUES ('user1', 'eb586a1288dc629dc79f72f17d818ea4b3b7bfd503bc29ea22d70add55bec09a', 'ROL_USER', 1);
INSERT INTO users (username, password, rol, active) VALUES ('gone', 'b62c44ea6e92ccce1e2acc68baf90136824d88e7eb8bc010a697d034b1de5854', 'ROL_USER', 0);
INSERT INTO api_tokens (name, token, start, expired, active, header, token_type) VALUES ('api1', 'expired-token', 0, 1000, 1, 'Authorization', 'Bearer');
INSERT INTO api_tokens (name, token, start, expired, active, header, token_type) VALUES ('api1', 'good-token', 0, 4102444800, 1, 'Authorization', 'Bearer');
INSERT INTO api_tokens (name, token, start, expired, active, header, token_type) VALUES ('api1', 'off-token', 0, 4102444800, 0, 'Authorization', 'Bearer');
INSERT INTO api_tokens (name, token, start, expired, active, header, token_type) VALUES ('api1', 'YTpi', 0, 4102444800, 1, 'Authorization', 'Basic');
INSERT INTO api_tokens (name, token, start, expired, active, header, token_type) VALUES ('hook', 'k-1', 0, 4102444800, 1, 'X-Api-Key', 'Key');
