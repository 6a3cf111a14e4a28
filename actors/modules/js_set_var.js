// Sets one field of the payload.
function main() {
  const { var_name, var_value } = nflow_data
  if (!var_name) throw new Error('js_set_var: var_name is missing')
  if (payload === null || typeof payload !== 'object') payload = {}
  payload[var_name] = var_value
}
