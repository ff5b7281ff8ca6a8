-- Asks vigie guard authorize about each request of HAProxy, with the whole body or not at all.
local guard = os.getenv("VIGIE_GUARD") or "http://127.0.0.1:11480/authorize"
local secret = os.getenv("VIGIE_PROXY_SECRET")
if not secret or secret == "" then
    error("VIGIE_PROXY_SECRET is not set")
end

-- Headers of the client that the question does not repeat: the question has its own.
local own = {
    ["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true, ["keep-alive"] = true, ["te"] = true,
    ["trailer"] = true, ["upgrade"] = true, ["expect"] = true, ["proxy-connection"] = true,
    ["x-vigie-proxy"] = true, ["x-real-ip"] = true,
}

core.register_action("vigie", {"http-req"}, function(txn)
    txn:set_var("txn.vigie_status", 403)
    -- Only of a body with a length is it known whether all of it is in the buffer.
    local declared, length = tonumber(txn.f:req_fhdr("content-length") or "0"), tonumber(txn.f:req_body_len() or 0)
    if txn.f:req_fhdr("transfer-encoding") or declared ~= length then
        txn:set_var("txn.vigie_status", 413)
        return
    end
    local headers = {}
    for name, values in pairs(txn.http:req_get_headers()) do
        if not own[name] then
            headers[name] = {}
            for at = 0, #values do
                if values[at] then
                    table.insert(headers[name], values[at])
                end
            end
        end
    end
    -- An upgrade is no request that can be judged, and an expectation is known to no question.
    local expect = txn.f:req_fhdr("expect")
    if txn.f:req_fhdr("upgrade") or (expect and expect:lower() ~= "100-continue") then
        txn:set_var("txn.vigie_status", 400)
        return
    end
    -- These go beside what the client sent under their names, and the guard refuses two lines of one.
    for name, value in pairs({["x-original-method"] = txn.f:method(), ["x-original-uri"] = txn.f:pathq()}) do
        headers[name] = headers[name] or {}
        table.insert(headers[name], value)
    end
    headers["x-vigie-proxy"] = {secret}
    headers["x-real-ip"] = {txn.f:src()}
    local question = {url = guard, headers = headers, timeout = 5000}
    local answer
    if length > 0 then
        question.body = txn.f:req_body()
        answer = core.httpclient():post(question)
    else
        answer = core.httpclient():get(question)
    end
    local status = answer and answer.status or 0
    txn:set_var("txn.vigie_status", status)
    if status == 200 then
        txn:set_var("txn.vigie_key", (answer.headers["x-vigie-key"] or {})[0] or "")
    elseif status == 429 then
        txn:set_var("txn.vigie_retry", (answer.headers["retry-after"] or {})[0] or "1")
    end
end)
