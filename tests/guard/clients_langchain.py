"""Unmodified LangChain against a gateway: clients_langchain.py URL KEY PRODUCT. A line of JSON per check."""
import json
import sys

from langchain_core.tools import tool
from langchain_ollama import ChatOllama, OllamaEmbeddings
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

URL, KEY, PRODUCT = sys.argv[1:4]


def check(name, right, got=None):
    print(json.dumps({"check": name, "right": bool(right), "got": repr(got)[:300]}), flush=True)


@tool
def weather(city: str, model: str = "x") -> str:
    """The weather in a city."""
    return "sun"


def of_ollama():
    model = ChatOllama(model="tiny", base_url=URL, num_predict=8, client_kwargs={"headers": {"Authorization": f"Bearer {KEY}"}})
    answer = model.invoke("hi")
    check("langchain-ollama: invoke", answer.usage_metadata["output_tokens"] <= 8, answer)
    parts = list(model.stream("hi"))
    check("langchain-ollama: stream", len(parts) > 1 and parts[-1].response_metadata.get("done", True), len(parts))
    check("langchain-ollama: tools", model.bind_tools([weather]).invoke("hi").response_metadata["done"])
    embeddings = OllamaEmbeddings(model="tiny", base_url=URL, client_kwargs={"headers": {"Authorization": f"Bearer {KEY}"}})
    vectors = embeddings.embed_documents(["a", "b"])
    check("langchain-ollama: embeddings", len(vectors) == 2 and len(vectors[0]) > 8, len(vectors))


def of_openai():
    # It says max_completion_tokens, which Ollama does not read: the cap of the key holds.
    model = ChatOpenAI(model="tiny", base_url=f"{URL}/v1", api_key=KEY, max_tokens=8, max_retries=0)
    answer = model.invoke("hi")
    check("langchain-openai: invoke, with the cap of the key", answer.usage_metadata["output_tokens"] <= 16, answer)
    parts = list(model.stream("hi"))
    check("langchain-openai: stream", len(parts) > 1, len(parts))
    counted = [part.usage_metadata for part in model.stream("hi", stream_usage=True) if part.usage_metadata]
    check("langchain-openai: stream with usage", counted and counted[-1]["output_tokens"] <= 16, counted)
    check("langchain-openai: tools", model.bind_tools([weather]).invoke("hi").response_metadata["finish_reason"])
    if PRODUCT == "ollama":
        # Without the check of lengths: that would fetch a list of tokens of OpenAI's.
        embeddings = OpenAIEmbeddings(model="tiny", base_url=f"{URL}/v1", api_key=KEY, check_embedding_ctx_length=False, max_retries=0)
        vectors = embeddings.embed_documents(["a", "b"])
        check("langchain-openai: embeddings", len(vectors) == 2 and len(vectors[0]) > 8, len(vectors))


for clients in (of_ollama, of_openai) if PRODUCT == "ollama" else (of_openai,):
    try:
        clients()
    except Exception as error:
        check(f"langchain, {clients.__name__}: goes to its end", False, error)
