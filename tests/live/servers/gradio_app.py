"""A small Gradio application.   gradio_app.py PORT [login]"""
import sys

import gradio

with gradio.Blocks(title="Upper case") as page:
    entry = gradio.Textbox(label="Text")
    result = gradio.Textbox(label="In upper case")
    gradio.Button("Go").click(str.upper, entry, result, api_name="upper")

page.launch(
    server_name="127.0.0.1",
    server_port=int(sys.argv[1]),
    auth=[("someone", "made-up")] if "login" in sys.argv[2:] else None,
    share=False,
)
