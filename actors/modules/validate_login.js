// The end of a login: checks user and password, remembers who it is, and leads back to where the login was asked for.
function main() {
  const { user_field, password_field, login_url } = nflow_data
  const user = text(payload?.[user_field || 'username'])
  const password = text(payload?.[password_field || 'password'])
  if (payload !== null && typeof payload === 'object') delete payload[password_field || 'password']
  if (user === '' || password === '' || !validate_user(user, password)) {
    c.HTML(401, template(REFUSED, { login: local(login_url, '/nflow_login') }))
    // The run goes on waiting at its form, so that the browser's Back button leads to another try.
    if (payload !== null && typeof payload === 'object') payload['break'] = true
    return
  }
  const { id, username, rol } = get_user(user) ?? { username: user }
  set_profile({ id: String(id ?? ''), username: String(username ?? user), rol: String(rol ?? '') })
  // 303: the browser fetches the page, whatever the method of the login was.
  c.Redirect(303, local(get_session('auth-session', 'redirect_url'), '/'))
}

// A field sent twice is an array, which is no name of anybody.
function text(value) {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

const REFUSED = `<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>Login</title></head>
<body><p>Wrong user or password.</p><p><a href="{{.login}}">Try again</a></p></body></html>
`

// A path of our own server, never an address of another: browsers read \ as /, and skip tabs and line breaks.
function local(path, otherwise) {
  return typeof path === 'string' && /^\/([^\/\\\x00-\x20\x7f][^\\\x00-\x20\x7f]*)?$/.test(path) ? path : otherwise
}
