// Copies the query to the payload: of each name the first value.
function main() {
  if (payload === null || typeof payload !== 'object') payload = {}
  const query = c.QueryParams()
  for (const name of Object.keys(query)) {
    // Not by assignment, for which some names are more than names.
    Object.defineProperty(payload, name, { value: query[name][0], writable: true, enumerable: true, configurable: true })
  }
}
