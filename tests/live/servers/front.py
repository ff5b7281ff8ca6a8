"""A real Ollama behind a real nginx that speaks one protocol and no other: front.py OLLAMA MODEL PORT BEHIND PROTOCOL

PROTOCOL is tls (HTTP/1.1 over TLS), h2 (HTTP/2 over TLS) or h2c (HTTP/2 in the clear). Whatever does not speak it is hung up on.
"""
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ollama, model, port, behind, protocol = sys.argv[1:]
here = Path.cwd()
environ = {**os.environ, "OLLAMA_HOST": f"127.0.0.1:{behind}", "OLLAMA_MODELS": str(here / "models")}
server = subprocess.Popen([ollama, "serve"], env=environ)
for _ in range(200):
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{behind}/api/version", timeout=2).close()
        break
    except OSError:
        time.sleep(0.2)
(here / "Modelfile").write_text(f"FROM {model}\n")
subprocess.run([ollama, "create", "tiny", "-f", "Modelfile"], env=environ, check=True)

tls = ""
if protocol != "h2c":
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "30",
         "-subj", "/CN=made-up.example", "-addext", "subjectAltName=DNS:made-up.example,IP:127.0.0.1"],
        check=True,
    )
    tls = f"ssl_certificate {here}/cert.pem; ssl_certificate_key {here}/key.pem;"
flags = {"tls": "ssl", "h2": "ssl http2", "h2c": "http2"}[protocol]
spoken = "HTTP/1.1" if protocol == "tls" else "HTTP/2.0"
temporary = " ".join(f"{what}_temp_path {here}/{what};" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
Path("nginx.conf").write_text(
    f"""daemon off; master_process off; pid {here}/pid; error_log {here}/errors;
events {{}}
http {{
  access_log off; {temporary}
  server {{
    listen 127.0.0.1:{port} {flags};
    {tls}
    if ($server_protocol != "{spoken}") {{ return 444; }}
    location / {{ proxy_pass http://127.0.0.1:{behind}; proxy_set_header Host 127.0.0.1:{behind}; }}
  }}
}}
"""
)
os.execvp("nginx", ["nginx", "-p", str(here), "-c", str(here / "nginx.conf")])
