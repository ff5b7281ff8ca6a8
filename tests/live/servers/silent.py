"""Takes connections and never says a word.   silent.py PORT"""
import socket
import sys

with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64) as door:
    held = []
    while True:
        held.append(door.accept())
