"""Unmodified clients against a gateway: clients.py URL KEY PRODUCT. A line of JSON per check."""
import json
import sys

import anthropic
import ollama
import openai

URL, KEY, PRODUCT = sys.argv[1:4]
HI = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "weather", "description": "the weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}, "model": {"type": "string"}, "MODEL": {"enum": ["secret"]}}, "required": ["city"]}}}


def check(name, right, got=None):
    print(json.dumps({"check": name, "right": bool(right), "got": repr(got)[:300]}), flush=True)


def refused(name, call, kinds):
    try:
        check(name, False, call())
    except kinds as error:
        check(name, getattr(error, "status_code", None) == 403, error)


def of_ollama():
    client = ollama.Client(host=URL, headers={"Authorization": f"Bearer {KEY}"})
    models = [model.model for model in client.list().models]
    check("ollama: list", models == ["tiny:latest"], models)
    parts = list(client.chat(model="tiny", messages=HI, stream=True))
    check("ollama: chat, streamed, with the cap of the key", parts[-1].done and parts[-1].eval_count <= 16, parts[-1])
    whole = client.generate(model="tiny", prompt="a", options={"num_predict": 100_000})
    check("ollama: generate, with the cap of the key", whole.done and whole.eval_count <= 16, whole.eval_count)
    check("ollama: tools", client.chat(model="tiny", messages=HI, tools=[TOOL]).done)
    vectors = client.embed(model="tiny", input=["a", "b"]).embeddings
    check("ollama: embed", len(vectors) == 2 and len(vectors[0]) > 8, len(vectors))
    check("ollama: show", client.show("tiny").details is not None)
    check("ollama: ps", client.ps().models is not None)
    refused("ollama: pull is refused", lambda: client.pull("tiny"), ollama.ResponseError)
    refused("ollama: delete is refused", lambda: client.delete("tiny"), ollama.ResponseError)
    refused("ollama: another model is refused", lambda: client.generate(model="other", prompt="a"), ollama.ResponseError)


def of_openai():
    client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
    answer = client.chat.completions.create(model="tiny", messages=HI, max_tokens=5)
    check("openai: chat", answer.usage.completion_tokens <= 5, answer.usage)
    pieces = list(client.chat.completions.create(model="tiny", messages=HI, max_tokens=5, stream=True))
    check("openai: chat, streamed", pieces and all(piece.choices for piece in pieces), len(pieces))
    pieces = list(client.chat.completions.create(model="tiny", messages=HI, max_tokens=5, stream=True, stream_options={"include_usage": True}))
    check("openai: a client that asks for usage gets it", pieces[-1].usage is not None, pieces[-1])
    models = [model.id for model in client.models.list()]
    check("openai: models", models == ["tiny:latest" if PRODUCT == "ollama" else "tiny"], models)
    if PRODUCT == "ollama":
        vectors = client.embeddings.create(model="tiny", input=["a", "b"]).data
        check("openai: embeddings", len(vectors) == 2 and len(vectors[0].embedding) > 8, len(vectors))
    response = client.responses.create(model="tiny", input="hi", max_output_tokens=5)
    check("openai: responses", response.usage.output_tokens <= 5, response)
    events = [event.type for event in client.responses.create(model="tiny", input="hi", max_output_tokens=5, stream=True)]
    check("openai: responses, streamed", events[-1] in ("response.completed", "response.incomplete"), events)
    tools = client.chat.completions.create(model="tiny", messages=HI, tools=[TOOL], max_tokens=5, user="someone", n=1)
    check("openai: tools, and keys that the server ignores", tools.choices, tools)
    refused("openai: another model is refused", lambda: client.chat.completions.create(model="other", messages=HI), openai.APIStatusError)


def of_anthropic():
    client = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0)
    answer = client.messages.create(model="tiny", max_tokens=5, messages=HI)
    check("anthropic: messages", answer.usage.output_tokens <= 5, answer.usage)
    # llama.cpp ends one in eight of these streams before they begin, without a gateway too; then there is no message to look at.
    for left in range(9, -1, -1):
        try:
            with client.messages.stream(model="tiny", max_tokens=5, messages=HI) as stream:
                output = stream.get_final_message().usage.output_tokens
            break
        except AssertionError:
            if PRODUCT == "ollama" or not left:
                raise
    check("anthropic: messages, streamed", output <= 5, output)


for clients in (of_ollama, of_openai, of_anthropic) if PRODUCT == "ollama" else (of_openai, of_anthropic):
    try:
        clients()
    except Exception as error:
        check(f"{clients.__name__} goes to its end", False, error)
