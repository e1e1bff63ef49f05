// What Ory Kratos sends to Denwa for a message: courier.channels[].request_config.body.
function(ctx) {
  local data = std.get(ctx, 'template_data', {}),
  local codes = [
    data[field]
    for field in ['verification_code', 'login_code', 'registration_code', 'recovery_code']
    if std.objectHas(data, field)
  ],

  to: ctx.recipient,
  text: ctx.body,
  // With to and code it tells one message from another: Kratos sends no id.
  type: ctx.template_type,
  code: if std.length(codes) > 0 then codes[0] else '',
}
