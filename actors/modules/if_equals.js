// Goes on at output_1 when a field of the payload equals a value, compared as loosely as forms need it: 1 equals "1".
function main() {
  const { field, value } = nflow_data
  next = payload?.[field] == value ? 'output_1' : 'output_2'
}
