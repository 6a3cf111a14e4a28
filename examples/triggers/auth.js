// Called before a flow whose start says `nflow_auth`: who has not logged in is sent to /nflow_login.
function auth() {
  if (profile === null) next = 'login'
}
