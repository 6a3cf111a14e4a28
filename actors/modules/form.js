// Shows a page and suspends the run until it is sent. `html_form` is the inside of the page, itself a template;
// `template` names the page around it, or a plain one is used.
const PAGE = `<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.name}}</title>
</head>
<body>
{{if .has_form}}{{.form_code | unescapeHTML}}{{else}}<form method="post" action="{{.action}}">
<input type="hidden" name="nflow_next_node_run" value="{{.next}}">
{{.form_code | unescapeHTML}}
{{if .has_button}}{{else}}<button type="submit">OK</button>
{{end}}</form>{{end}}
</body>
</html>
`

function main() {
  const { html_form, template: page, name_box } = nflow_data
  if (payload === null || typeof payload !== 'object' || Array.isArray(payload)) payload = {}
  const values = {
    action: nflow_endpoint,
    next: __outputs['output_1'] ?? '',
    payload,
    profile: exist_profile() ? get_profile() : {},
    url: url_base,
    name: name_box ?? '',
  }
  // Inside the form what the run knows stands under its own name as well.
  const form_code = template(html_form ?? '', { ...payload, ...values, name: payload.name ?? values.name })
  const named = page ? get_template(page) : ''
  if (page && !named) throw new Error('form: there is no template "' + page + '"')
  c.HTML(200, template(named || PAGE, {
    ...values,
    form_code,
    has_form: /<form[\s>]/i.test(form_code),
    has_button: /<button[\s>]|type=["']?(?:submit|image)/i.test(form_code),
  }))
  payload['break'] = true
}
