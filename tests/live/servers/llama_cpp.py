"""llama.cpp's own HTTP server, from the xllamacpp wheel, on loopback.

    llama_cpp.py MODEL PORT ALIAS [KEY]
"""
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
settings.n_ctx = 512
settings.n_parallel = 1
settings.n_gpu_layers = 0
settings.use_jinja = True
settings.endpoint_slots = True
server = Server(settings)
signal.pause()
