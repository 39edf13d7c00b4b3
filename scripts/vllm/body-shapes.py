"""What the request models of an installed vLLM let in, as one JSON table: the shapes that pydantic holds each body against.

Run with the Python of an environment that `npm run vllm:install` has made:

    VERSION/bin/python scripts/vllm/body-shapes.py supervisor/sim/body/shapes-VERSION.json
"""
import json, sys, typing
from enum import Enum

defs = {}
stack_defs = {}

WRAPPERS = ("function-wrap", "function-before", "function-after")
def bounds(schema, names):
    found = {name: schema[name] for name in names if schema.get(name) is not None}
    return found

def label(schema):
    kind = schema["type"]
    if kind == "definition-ref":
        return label(stack_defs[schema["schema_ref"]])
    if kind == "definitions":
        return label(schema["schema"])
    if kind == "model":
        return schema["cls"].__name__
    if kind == "dataclass":
        return schema["cls"].__name__
    if kind == "typed-dict":
        return schema.get("cls_name") or (schema["cls"].__name__ if schema.get("cls") else "TypedDict")
    if kind in ("int", "float", "str") and bounds(schema, ("ge","gt","le","lt","min_length","max_length","pattern","multiple_of")):
        return "constrained-" + kind
    return None

def put(name, value):
    """Shapes with names are written once."""
    base, n = name, 2
    while name in defs and defs[name] != value:
        name, n = f"{base}~{n}", n + 1
    defs[name] = value
    return {"ref": name}

def conv(s):
    k = s["type"]
    if k in WRAPPERS or k == "function-plain":
        return conv(s["schema"]) if "schema" in s else "any"
    if k == "default":
        return conv(s["schema"])
    if k == "definitions":
        for d in s["definitions"]:
            stack_defs[d["ref"]] = d
        return conv(s["schema"])
    if k == "definition-ref":
        return conv_ref(s["schema_ref"])
    if k == "json-or-python":
        return conv(s["python_schema"])
    if k == "lax-or-strict":
        return conv(s["lax_schema"])
    if k == "chain":
        return conv(s["steps"][0])
    if k == "nullable":
        return {"null": conv(s["schema"])}
    if k == "bytes":
        return {"instance": "bytes"}
    if k in ("any", "bool", "none"):
        return k
    if k in ("int", "float", "str"):
        b = bounds(s, ("ge","gt","le","lt","min_length","max_length","pattern","multiple_of"))
        return {k: b} if b else k
    if k == "literal":
        return {"literal": s["expected"]}
    if k == "enum":
        return {"enum": [m.value for m in s["members"]]}
    if k == "list":
        b = bounds(s, ("min_length","max_length"))
        inner = conv(s["items_schema"]) if "items_schema" in s else "any"
        return {"list": inner, **b}
    if k in ("set", "frozenset", "tuple"):
        raise SystemExit("no way to write " + k)
    if k == "generator":
        return {"iterable": conv(s["items_schema"]) if "items_schema" in s else "any"}
    if k == "dict":
        return {"dict": [conv(s["keys_schema"]) if "keys_schema" in s else "any", conv(s["values_schema"]) if "values_schema" in s else "any"]}
    if k == "union":
        branches = []
        for c in s["choices"]:
            c = c[0] if isinstance(c, tuple) else c
            branches.append([label(c), conv(c)])
        return {"union": branches}
    if k == "tagged-union":
        disc = s["discriminator"]
        if not isinstance(disc, str): return "any"
        return {"tagged": disc, "by": {str(t.value if isinstance(t, Enum) else t): conv(c) for t, c in s["choices"].items()}}
    if k == "is-instance":
        return {"instance": s["cls"].__name__}
    if k == "model":
        inner = s["schema"]
        while inner["type"] in WRAPPERS: inner = inner["schema"]
        if inner["type"] == "definitions":
            for d in inner["definitions"]: stack_defs[d["ref"]] = d
            inner = inner["schema"]
        extra = (s.get("config") or {}).get("extra_fields_behavior") or inner.get("extra_behavior")
        value = {"model": fields(inner["fields"]), **({"closed": True} if extra == "forbid" else {})}
        return put(s["cls"].__name__, value)
    if k == "typed-dict":
        total = s.get("total", True)
        return put(label(s), {"typed": fields(s["fields"], total), **({"closed": True} if s.get("extra_behavior") == "forbid" else {})})
    if k == "dataclass":
        inner = s["schema"]
        while inner["type"] in WRAPPERS: inner = inner["schema"]
        return put(s["cls"].__name__, {"dataclass": {f["name"] + ("?" if f["schema"]["type"] == "default" else ""): conv(f["schema"]) for f in inner["fields"] if f.get("init", True)}})
    if k in ("callable",): return "any"
    if k in ("url","multi-host-url"): return "str"
    raise SystemExit(f"no way to write {k}: {str(s)[:300]}")

refs = {}
def conv_ref(ref):
    if ref in refs: return {"ref": refs[ref]}
    s = stack_defs[ref]
    name = label(s) or ref.split(":")[0].split(".")[-1]
    refs[ref] = name
    inner = conv(s)
    if isinstance(inner, dict) and set(inner) == {"ref"}:
        refs[ref] = inner["ref"]
        return inner
    defs[name] = inner
    return {"ref": name}

def fields(fs, total=True):
    out = {}
    for name, f in fs.items():
        alias = f.get("validation_alias")
        name = alias if isinstance(alias, str) else name
        required = f.get("required")
        if required is None:
            required = total if f["type"] == "typed-dict-field" else f["schema"]["type"] != "default"
            if f["type"] == "model-field":
                x = f["schema"]
                while x["type"] in WRAPPERS: x = x["schema"]
                required = x["type"] != "default"
        out[name + ("" if required else "?")] = conv(f["schema"])
    return out

from pydantic import TypeAdapter
import vllm
from importlib import import_module as im
E_ = "vllm.entrypoints."
roots = {
  "chat": (E_+"openai.chat_completion.protocol", "ChatCompletionRequest"),
  "batch": (E_+"openai.chat_completion.protocol", "BatchChatCompletionRequest"),
  "completion": (E_+"openai.completion.protocol", "CompletionRequest"),
  "response": (E_+"openai.responses.protocol", "ResponsesRequest"),
  "message": (E_+"anthropic.protocol", "AnthropicMessagesRequest"),
  "count": (E_+"anthropic.protocol", "AnthropicCountTokensRequest"),
  "embedding": (E_+"pooling.embed.protocol", "EmbeddingRequest"),
  "cohere-embed": (E_+"pooling.embed.protocol", "CohereEmbedRequest"),
  "pooling": (E_+"pooling.pooling.protocol", "PoolingRequest"),
  "classify": (E_+"pooling.classify.protocol", "ClassificationRequest"),
  "score": (E_+"pooling.scoring.protocol", "ScoreRequest"),
  "rerank": (E_+"pooling.scoring.protocol", "RerankRequest"),
  "tokenize": (E_+"serve.tokenize.protocol", "TokenizeRequest"),
  "detokenize": (E_+"serve.tokenize.protocol", "DetokenizeRequest"),
}
out = {}
for name, (module, cls) in roots.items():
    try:
        t = getattr(im(module), cls)
    except (ImportError, AttributeError) as e:
        print("absent:", name, e, file=sys.stderr); continue
    schema = TypeAdapter(t).core_schema
    out[name] = conv(schema)
lines = [json.dumps("version") + ": " + json.dumps(vllm.__version__.split("+")[0])]
lines.append('"bodies": ' + json.dumps(out))
body = ",\n".join(json.dumps(n) + ": " + json.dumps(v, separators=(",", ":")) for n, v in sorted(defs.items()))
open(sys.argv[1],"w").write("{\n" + ",\n".join(lines) + ',\n"shapes": {\n' + body + "\n}\n}\n")
