"""Write a model file that Ollama and llama.cpp load and run: a Llama of two small layers with random weights.

    tiny_model.py FILE

It says nonsense, is the same each time, has about half a megabyte, and nothing is downloaded for it.
The format is GGUF version 3, little-endian: a header, typed key-value pairs, a list of tensors, then their data, aligned.
"""
import array
import random
import struct
import sys

WIDTH, FEED_FORWARD, LAYERS, HEADS = 64, 128, 2, 4
ALIGNMENT = 32
U32, I32, F32, TEXT, LIST = 4, 5, 6, 8, 9
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6

# Clients see from the template that the model takes tools.
TEMPLATE = (
    "{% if tools %}Tools: {{ tools | tojson }}\n{% endif %}"
    "{% for message in messages %}{{ message.role }}> {{ message.content }}\n{% endfor %}assistant> "
)


def text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw)) + raw


def scalar(kind, value):
    return text(value) if kind == TEXT else struct.pack({U32: "<I", I32: "<i", F32: "<f"}[kind], value)


def pair(key, kind, value):
    if isinstance(value, list):
        return text(key) + struct.pack("<IIQ", LIST, kind, len(value)) + b"".join(scalar(kind, one) for one in value)
    return text(key) + struct.pack("<I", kind) + scalar(kind, value)


def metadata():
    names = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    kinds = [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256
    return [
        pair("general.architecture", TEXT, "llama"),
        pair("general.name", TEXT, "tiny"),
        pair("general.file_type", U32, 0),
        pair("llama.context_length", U32, 2048),
        pair("llama.embedding_length", U32, WIDTH),
        pair("llama.block_count", U32, LAYERS),
        pair("llama.feed_forward_length", U32, FEED_FORWARD),
        pair("llama.attention.head_count", U32, HEADS),
        pair("llama.attention.head_count_kv", U32, HEADS),
        pair("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
        pair("llama.rope.dimension_count", U32, WIDTH // HEADS),
        pair("llama.vocab_size", U32, len(names)),
        pair("tokenizer.ggml.model", TEXT, "llama"),
        pair("tokenizer.ggml.tokens", TEXT, names),
        pair("tokenizer.ggml.scores", F32, [0.0] * len(names)),
        pair("tokenizer.ggml.token_type", I32, kinds),
        pair("tokenizer.ggml.bos_token_id", U32, 1),
        pair("tokenizer.ggml.eos_token_id", U32, 2),
        pair("tokenizer.ggml.unknown_token_id", U32, 0),
        pair("tokenizer.chat_template", TEXT, TEMPLATE),
    ], len(names)


def shapes(vocabulary):
    """Each tensor's name and shape, the fastest dimension first, as the file has them."""
    yield "token_embd.weight", (WIDTH, vocabulary)
    yield "output_norm.weight", (WIDTH,)
    yield "output.weight", (WIDTH, vocabulary)
    for layer in range(LAYERS):
        yield f"blk.{layer}.attn_norm.weight", (WIDTH,)
        yield f"blk.{layer}.ffn_norm.weight", (WIDTH,)
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            yield f"blk.{layer}.{part}.weight", (WIDTH, WIDTH)
        yield f"blk.{layer}.ffn_gate.weight", (WIDTH, FEED_FORWARD)
        yield f"blk.{layer}.ffn_up.weight", (WIDTH, FEED_FORWARD)
        yield f"blk.{layer}.ffn_down.weight", (FEED_FORWARD, WIDTH)


def model():
    pairs, vocabulary = metadata()
    dice = random.Random(2026)
    listing, data = [], b""
    for name, shape in shapes(vocabulary):
        count = 1
        for size in shape:
            count *= size
        # Norms are ones; weights are small, so that nothing overflows.
        weights = array.array("f", [1.0] * count if len(shape) == 1 else (dice.gauss(0, 0.05) for _ in range(count)))
        if sys.byteorder == "big":
            weights.byteswap()
        listing.append(text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(data)))
        data += weights.tobytes()
        data += b"\0" * (-len(data) % ALIGNMENT)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(listing), len(pairs)) + b"".join(pairs) + b"".join(listing)
    return head + b"\0" * (-len(head) % ALIGNMENT) + data


if __name__ == "__main__":
    with open(sys.argv[1], "wb") as out:
        out.write(model())
