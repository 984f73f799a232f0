#!/usr/bin/env python3
"""Writes the expected texts of chat templates, rendered by transformers with a fixed date.

    python3 -m venv venv && venv/bin/pip install transformers==5.23.0 jinja2==3.1.6
    venv/bin/python tests/text/make_chat_template_golden.py --tokenizers FOLDER

FOLDER holds one folder with a tokenizer_config.json per model. Templates whose licence lets us redistribute them go to
golden/chat_templates.json; the others to golden/local/chat_templates.json, which git ignores and the test reads when it
is there. Our own small templates, one per feature, are in chat_template_features.py beside this file.
"""

import argparse
import datetime
import json
import pathlib

import jinja2
import transformers
from transformers.utils import chat_template_utils

from chat_template_features import FEATURES

HERE = pathlib.Path(__file__).resolve().parent
NOW = datetime.datetime(2026, 3, 7, 14, 5, 9)

# name of the golden template: (folder, licence), the licence as the model's page states it
PERMISSIVE = {
    "mistral-nemo": ("_config_only/mistral-nemo-nvidia", "Apache-2.0"),
    "phi-3-mini": ("phi3-mini", "MIT"),
    "phi-4": ("_config_only/phi4", "MIT"),
    "phi-4-mini": ("_config_only/phi4-mini", "MIT"),
    "qwen2.5": ("qwen2.5", "Apache-2.0"),
    "qwen3": ("_config_only/qwen3", "Apache-2.0"),
}
LOCAL_ONLY = {
    "gemma": ("_config_only/gemma", "Gemma"),
    "gemma3": ("_config_only/gemma3", "Gemma"),
    "llama3.2": ("llama3.2", "Llama 3.2"),
}

SYSTEM = {"role": "system", "content": "You are terse.\n"}
USER = {"role": "user", "content": "  What is 2 + 2?  "}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather at a place, in °C & <words>. Ask \"politely\".",
            "parameters": {
                "type": "object",
                "properties": {
                    "place": {"type": "string", "description": "Name of a town"},
                    "days": {"type": "integer", "minimum": 1, "default": 1},
                    "scale": {"type": "number", "default": 1.0, "enum": [0.5, 1.0, 1e-7]},
                },
                "required": ["place"],
            },
        },
    },
    {"type": "function", "function": {"name": "now", "description": "", "parameters": {}}},
]


def call(name, arguments, id="call00001"):
    return {"type": "function", "id": id, "function": {"name": name, "arguments": arguments}}


CALL = {"role": "assistant", "content": "", "tool_calls": [call("get_weather", {"place": "Nîmes", "days": 2})]}
RESULT = {"role": "tool", "name": "get_weather", "tool_call_id": "call00001", "content": '{"t": [21.5, null]}'}

# name: (messages, tools)
CONVERSATIONS = {
    "user": ([USER], None),
    "system and user": ([SYSTEM, USER], None),
    "ends with the assistant": ([SYSTEM, USER, {"role": "assistant", "content": "4"}], None),
    "several turns": (
        [
            SYSTEM,
            USER,
            {"role": "assistant", "content": "\n4 \n"},
            {"role": "user", "content": "And 3 × 3? 猫 🐈\u200d⬛"},
            {"role": "assistant", "content": "9"},
            {"role": "user", "content": "Thanks <b>&amp;</b> 'bye' \"\\n\""},
        ],
        None,
    ),
    "reasoning": (
        [
            USER,
            {"role": "assistant", "content": "<think>\nhm\n</think>\n\n4"},
            {"role": "user", "content": "Sure?"},
            {"role": "assistant", "reasoning": "I am.", "content": "Yes"},
        ],
        None,
    ),
    "tools offered": ([SYSTEM, {"role": "user", "content": "Weather in Nîmes?"}], TOOLS),
    "tools without a system message": ([{"role": "user", "content": "Weather?"}], TOOLS),
    "tool call": ([{"role": "user", "content": "Weather in Nîmes?"}, CALL], TOOLS),
    "tool result": ([SYSTEM, {"role": "user", "content": "Weather in Nîmes?"}, CALL, RESULT], TOOLS),
    "two tool results and an answer": (
        [
            {"role": "user", "content": "Weather in Nîmes? Time?"},
            {
                "role": "assistant",
                "content": "Let me see.",
                "tool_calls": [
                    call("get_weather", {"place": "Nîmes"}),
                    call("now", {}, "call00002"),
                ],
            },
            RESULT,
            {"role": "tool", "name": "now", "tool_call_id": "call00002", "content": "14:05"},
            {"role": "assistant", "content": "21.5 °C at 14:05."},
            {"role": "user", "content": "Good."},
        ],
        TOOLS,
    ),
    "two users in a row": ([USER, USER], None),
    "starts with the assistant": ([{"role": "assistant", "content": "Hello"}, USER], None),
    "system in the middle": ([USER, SYSTEM, USER], None),
    "unknown role": ([{"role": "oracle", "content": "?"}], None),
    "empty content": ([{"role": "user", "content": ""}], None),
    "no messages": ([], None),
}
# Variables that only some templates know.
EXTRAS = {
    "qwen3": [{"enable_thinking": False}],
    "llama3.2": [{"date_string": "1 Jan 2027"}, {"tools_in_user_message": False}],
}


class FixedDatetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def render(template, special_tokens, messages, tools, add_generation_prompt, extra):
    """{"text": ...}, {"raised": message} or {"fails": what Python said}."""
    try:
        rendered, _ = chat_template_utils.render_jinja_template(
            conversations=[messages],
            tools=tools,
            chat_template=template,
            add_generation_prompt=add_generation_prompt,
            **special_tokens,
            **extra,
        )
        return {"text": rendered[0]}
    except jinja2.exceptions.TemplateError as error:
        if type(error) is jinja2.exceptions.TemplateError:
            return {"raised": error.message}
        return {"fails": f"{type(error).__name__}: {error}"}
    except (TypeError, ValueError, AttributeError) as error:
        return {"fails": f"{type(error).__name__}: {error}"}


def special_tokens_of(config):
    tokens = {}
    for name in ("bos_token", "eos_token", "unk_token", "pad_token"):
        token = config.get(name)
        if isinstance(token, dict):
            token = token["content"]
        if token is not None:
            tokens[name] = token
    return tokens


def model_templates(folder, models):
    for name, (path, licence) in models.items():
        config = json.loads((folder / path / "tokenizer_config.json").read_text(encoding="utf-8"))
        template = config["chat_template"]
        tokens = special_tokens_of(config)
        cases = []
        for conversation, (messages, tools) in CONVERSATIONS.items():
            for extra in [{}] + EXTRAS.get(name, []):
                for prompt in (False, True):
                    case = {"conversation": conversation, "add_generation_prompt": prompt, "extra": extra}
                    cases.append(case | render(template, tokens, messages, tools, prompt, extra))
        yield {
            "name": name,
            "licence": licence,
            "special_tokens": tokens,
            "source": template,
            "cases": cases,
        }


def feature_templates():
    for name, source in FEATURES.items():
        tokens = {"bos_token": "<s>", "eos_token": "</s>"}
        cases = []
        for conversation in ("several turns", "two tool results and an answer"):
            messages, tools = CONVERSATIONS[conversation]
            case = {"conversation": conversation, "add_generation_prompt": True, "extra": {}}
            cases.append(case | render(source, tokens, messages, tools, True, {}))
        yield {"name": "feature: " + name, "licence": "ours", "special_tokens": tokens, "source": source, "cases": cases}


def write(path, templates):
    used = {case["conversation"] for template in templates for case in template["cases"]}
    golden = {
        "made_by": f"make_chat_template_golden.py, transformers {transformers.__version__}, jinja2 {jinja2.__version__}",
        "now": NOW.isoformat(),
        "conversations": {
            name: {"messages": messages, "tools": tools}
            for name, (messages, tools) in CONVERSATIONS.items()
            if name in used
        },
        "templates": templates,
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{path}: {len(templates)} templates, {sum(len(t['cases']) for t in templates)} cases")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizers", type=pathlib.Path, required=True, help="folder of tokenizer folders")
    arguments = parser.parse_args()
    chat_template_utils.datetime = FixedDatetime
    templates = list(model_templates(arguments.tokenizers, PERMISSIVE)) + list(feature_templates())
    write(HERE / "golden" / "chat_templates.json", templates)
    write(HERE / "golden" / "local" / "chat_templates.json", list(model_templates(arguments.tokenizers, LOCAL_ONLY)))


if __name__ == "__main__":
    main()
