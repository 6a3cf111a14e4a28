// Answers an empty object.
function main() {
  c.JSON(200, {})
}
