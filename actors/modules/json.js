// Answers the payload as JSON, or the part of it that `field` names: `a.b.0.name`.
function main() {
  const { field, http_code } = nflow_data
  const part = field === undefined || field === null || field === '' || field === '*' ? payload : element(String(field))
  c.JSON(parseInt(http_code || '200', 10), part)
}

function element(path) {
  let value = payload
  for (const name of path.split('.')) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, name)) {
      throw new Error('json: the payload has no "' + path + '": there is no "' + name + '"')
    }
    value = value[name]
  }
  return value
}
