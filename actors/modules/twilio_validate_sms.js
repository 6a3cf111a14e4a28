// Checks the code that the user has typed against the one sent. Output 1: it is right.
function main() {
  const code = String(payload?.[nflow_data.variable || 'code'] ?? '')
  const number = String(payload?.otp_number ?? payload?.[nflow_data.phone || 'phone'] ?? '')
  next = code !== '' && number !== '' && check_otp(number, code) ? 'output_1' : 'output_2'
}
