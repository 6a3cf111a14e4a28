// The manuals' node kind `template`: a page of the payload, from a named template or from text in the node itself.
function main() {
  const { template: name, content, source, engine, http_code } = nflow_data
  const kind = (engine || 'go').toLowerCase()
  if (kind !== 'go' && kind !== 'mustache') throw new Error('template: engine is "go" or "mustache", not "' + engine + '"')
  const text = content ?? source ?? named(name)
  c.HTML(parseInt(http_code || '200', 10), kind === 'go' ? template(text, payload) : mustache(text, payload))
}

function named(name) {
  if (!name) throw new Error('template: the node has no `template` (a name), `content` or `source`')
  if (/[<{\n]/.test(name)) return name
  const text = get_template(name)
  if (!text) throw new Error('template: there is no template "' + name + '"')
  return text
}
