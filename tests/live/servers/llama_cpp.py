"""llama.cpp's own HTTP server, from the xllamacpp wheel, on loopback.

    llama_cpp.py MODEL PORT ALIAS [KEY]        VIGIE_CONTEXT: room for so many tokens, and answers without an end of their own [default: 512]
"""
import os
import signal
import sys

from xllamacpp import CommonParams, Server

model, port, alias, *key = sys.argv[1:]
settings = CommonParams()
settings.model.path = model
settings.hostnames = ["127.0.0.1"]
settings.port = int(port)
settings.model_alias = {alias}
settings.api_keys = key
settings.n_ctx = int(os.environ.get("VIGIE_CONTEXT", 512))
settings.n_parallel = 1
settings.n_gpu_layers = 0
settings.use_jinja = True
settings.endpoint_slots = True
# A model of random weights may end at any token; where a long answer is wanted it does not.
settings.sampling.ignore_eos = "VIGIE_CONTEXT" in os.environ
server = Server(settings)
signal.pause()
