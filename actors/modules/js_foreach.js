// A loop over a list of the payload: each visit puts the next item into payload[item_name] and goes to output_2, whose
// edge leads back here. At the end, or when there is no list, it goes to output_1.
//
// `payload.__foreach` is what the loop at hand has left, as it always was; loops within loops are kept apart by box.
function main() {
  const { field, item_name } = nflow_data
  next = 'output_1'
  if (payload === null || typeof payload !== 'object') return
  const loops = payload.__foreach_of ?? {}
  const left = loops[current_box] ?? payload[field]
  if (!Array.isArray(left)) return
  if (left.length === 0) {
    payload.__foreach = []
    delete loops[current_box]
    if (Object.keys(loops).length === 0) delete payload.__foreach_of
    return
  }
  payload[item_name || 'item'] = left[0]
  payload.__foreach = loops[current_box] = left.slice(1)
  payload.__foreach_of = loops
  next = 'output_2'
}
