"""A web API that has nothing to do with AI, on paths that AI servers have too.   library_api.py PORT"""
import sys

import fastapi
import uvicorn

app = fastapi.FastAPI(title="Town library", version="7.1.0")


@app.get("/")
def root():
    return {"library": "open"}


@app.get("/health")
def health():
    return {"status": "ok"}


@app.get("/api/version")
def version():
    return {"version": "7.1.0"}


@app.get("/models")
def models():
    return {"models": [{"name": "Globe, 30 cm"}, {"name": "Solar system"}]}


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
