"""A client that leaves in the middle of an answer: cancel.py KIND URL KEY. It prints a line when the answer has begun, and leaves on a line of input.

A model of random weights that takes the likeliest token goes round in circles: its answer has no early end.
"""
import sys

kind, url, key = sys.argv[1:4]
HI = [{"role": "user", "content": "hi"}]

if kind == "ollama":
    import ollama

    client = ollama.Client(host=url, headers={"Authorization": f"Bearer {key}"})
    stream = client.chat(model="tiny", messages=HI, stream=True, options={"num_predict": 100_000, "temperature": 0})
    leave = stream.close
elif kind == "openai":
    import openai

    stream = openai.OpenAI(base_url=f"{url}/v1", api_key=key).chat.completions.create(model="tiny", messages=HI, stream=True, max_tokens=50_000, temperature=0)
    leave = stream.close
elif kind == "anthropic":
    import anthropic

    stream = anthropic.Anthropic(base_url=url, api_key=key).messages.create(
        model="tiny", messages=HI, stream=True, max_tokens=50_000, extra_body={"temperature": 0})
    leave = stream.close
else:
    from langchain_openai import ChatOpenAI

    stream = ChatOpenAI(model="tiny", base_url=f"{url}/v1", api_key=key, max_tokens=50_000, temperature=0).stream("hi")
    leave = stream.close

parts = iter(stream)
for _ in range(3):
    next(parts, None)
print("begun", flush=True)
sys.stdin.readline()
leave()
print("left", flush=True)
# The process stays: what ends the server's work is that the client closed the answer, not that it died.
sys.stdin.readline()
