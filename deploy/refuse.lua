-- Answers what never became an HTTP request, as the server does: a problem document with an id, then the end.
local REFUSALS = {
  [400] = { "Bad Request", "this is not a well-formed HTTP/1.1 request" },
  [408] = { "Request Timeout", "the headers did not arrive in time" },
  [431] = { "Request Header Fields Too Large", "the headers are larger than what is read" },
}

core.register_service("refuse", "tcp", function(applet)
  local status = applet:get_var("txn.status")
  local title, detail = table.unpack(REFUSALS[status])
  local id = applet.f:uuid()
  local body = string.format(
    '{"type":"about:blank","title":"%s","status":%d,"detail":"%s","request_id":"%s"}', title, status, detail, id
  )
  applet:set_var("txn.id", id)
  applet:set_var("txn.bytes", #body)
  applet:send(table.concat({
    string.format("HTTP/1.1 %d %s", status, title),
    "content-type: application/problem+json",
    "content-length: " .. #body,
    "connection: close",
    "x-request-id: " .. id,
    "strict-transport-security: max-age=63072000; includeSubDomains",
    "x-content-type-options: nosniff",
    "referrer-policy: no-referrer",
    "cache-control: no-store",
    "content-security-policy: default-src 'none'; frame-ancestors 'none'",
    "",
    body,
  }, "\r\n"))
end)
