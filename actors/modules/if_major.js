// Goes on at output_1 when a field of the payload is a number greater than the limit.
function main() {
  const { field, limit } = nflow_data
  next = parseFloat(payload?.[field]) > parseFloat(limit) ? 'output_1' : 'output_2'
}
