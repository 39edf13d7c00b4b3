"""Reads command lines of `vllm serve`, one JSON list of arguments a line, and says of each what vLLM's own parser makes of it.

Answers one JSON value a line: null for a line that is accepted, else the parser's words. The first answer, before any line is read, is the
list of all flags. Nothing is started.
"""

import contextlib
import importlib
import io
import json
import sys

answers = sys.stdout
# What vLLM logs as it is imported is no answer.
sys.stdout = sys.stderr

from vllm.engine.arg_utils import AsyncEngineArgs  # noqa: E402

try:
    from vllm.utils.argparse_utils import FlexibleArgumentParser  # noqa: E402
except ImportError:
    from vllm.utils import FlexibleArgumentParser  # noqa: E402

PLACES = ["vllm.entrypoints.common.cli_args", "vllm.entrypoints.launchers.cli_args", "vllm.entrypoints.openai.cli_args"]


def cli_args():
    for place in PLACES:
        try:
            return importlib.import_module(place)
        except ImportError:
            continue
    sys.exit("vLLM's argument parser was not found in any of: " + ", ".join(PLACES))


def problem_of(parser, module, arguments):
    words = io.StringIO()
    try:
        with contextlib.redirect_stderr(words), contextlib.redirect_stdout(words):
            parsed = parser.parse_args(arguments)
            module.validate_parsed_serve_args(parsed)
            if getattr(parsed, "model_tag", None):
                parsed.model = parsed.model_tag
            AsyncEngineArgs.from_cli_args(parsed)
    except SystemExit:
        return words.getvalue().strip().split("\n")[-1]
    except Exception as error:  # whatever a validator raises is an answer
        return f"{type(error).__name__}: {error}"
    return None


def say(value):
    answers.write(json.dumps(value) + "\n")
    answers.flush()


module = cli_args()
parser = module.make_arg_parser(FlexibleArgumentParser(prog="vllm serve"))
say(sorted(flag for action in parser._actions for flag in action.option_strings))
for line in sys.stdin:
    say(problem_of(parser, module, json.loads(line)))
