// Lets a request pass that carries a valid token of the name `token` (api1).
function main() {
  if (validate_token(nflow_data.token || 'api1')) return
  c.JSON(401, { error: 'Unauthorized' })
  next = 'break'
}
