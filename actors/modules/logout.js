// Forgets who the user is.
function main() {
  delete_profile()
}
