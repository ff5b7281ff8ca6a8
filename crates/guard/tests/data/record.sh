#!/usr/bin/env bash
# Records the replies that metering is tested on.
#
#   record.sh ADDRESS:PORT ollama       a real Ollama with the model `tiny` (tests/live/run.py and servers.toml show how one is started)
#   record.sh ADDRESS:PORT llama-cpp    a real llama.cpp server (tests/live/servers/llama_cpp.py)
#
# Recorded with Ollama 0.17.4 and with the llama.cpp server of the xllamacpp wheel that tests/live/locks pins, both with the tiny model of
# the live tests.
set -euo pipefail
base=http://$1 product=$2
cd "$(dirname "$0")"

record() { # FILE PATH BODY
  curl -sS --no-buffer "$base$2" -H 'content-type: application/json' -d "$3" >"$product-$1"
}

messages='"messages":[{"role":"user","content":"Say something"}]'
sampling='"seed":7,"temperature":1.5'
asked='"stream_options":{"include_usage":true}'
for route in chat/completions completions; do
  name=${route//\//-}
  record "$name.sse" "/v1/$route" "{\"model\":\"tiny\",$messages,\"prompt\":\"Say\",\"max_tokens\":12,\"stream\":true,$sampling}"
  record "$name-asked.sse" "/v1/$route" "{\"model\":\"tiny\",$messages,\"prompt\":\"Say\",\"max_tokens\":12,\"stream\":true,$sampling,$asked}"
  record "$name.json" "/v1/$route" "{\"model\":\"tiny\",$messages,\"prompt\":\"Say\",\"max_tokens\":12,$sampling}"
done
record messages.sse /v1/messages "{\"model\":\"tiny\",$messages,\"max_tokens\":12,\"stream\":true,\"temperature\":1.5}"
record messages.json /v1/messages "{\"model\":\"tiny\",$messages,\"max_tokens\":12,\"temperature\":1.5}"
record responses.sse /v1/responses "{\"model\":\"tiny\",\"input\":\"Say something\",\"max_output_tokens\":12,\"stream\":true,\"temperature\":1.5}"
record responses.json /v1/responses "{\"model\":\"tiny\",\"input\":\"Say something\",\"max_output_tokens\":12,\"temperature\":1.5}"
if [ "$product" = ollama ]; then
  record chat.ndjson /api/chat "{\"model\":\"tiny\",$messages,\"options\":{\"num_predict\":12,$sampling}}"
  record generate.ndjson /api/generate "{\"model\":\"tiny\",\"prompt\":\"Say\",\"options\":{\"num_predict\":12,$sampling}}"
  record embed.json /api/embed '{"model":"tiny","input":"Say"}'
else
  record completion.sse /completion '{"prompt":"Say","n_predict":12,"stream":true,"seed":7}'
fi
