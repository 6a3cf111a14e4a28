// Sends a code by SMS to the number in the payload. Output 1: it was sent.
function main() {
  const number = String(payload?.[nflow_data.variable || 'phone'] ?? '')
  next = 'output_2'
  if (number === '' || !send_otp(number)) return
  payload.otp_number = number
  next = 'output_1'
}
