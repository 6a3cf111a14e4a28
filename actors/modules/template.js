// Answers the page that a template (Go: html/template) makes of the payload. `template` is its name, or its text.
function main() {
  const given = nflow_data.template ?? ''
  c.HTML(200, template(textOf(given), payload))
}

function textOf(given) {
  if (/[<{\n]/.test(given)) return given
  const text = get_template(given)
  if (!text) throw new Error('template: there is no template "' + given + '"')
  return text
}
