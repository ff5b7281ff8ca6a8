"""OpenAI's API as anyone might write it, of no product at all.   openai_like.py PORT"""
import sys

import flask

app = flask.Flask("models")


@app.get("/v1/models")
def models():
    return {"object": "list", "data": [{"id": "in-house-13b", "object": "model", "created": 1690000000, "owned_by": "in-house"}]}


app.run(host="127.0.0.1", port=int(sys.argv[1]))
