"""One small chat template per feature that templates in the wild use; rendered by make_chat_template_golden.py.

Tuples are left out: minijinja has none, and prints lists in their place.
"""

FEATURES = {
    "whitespace of blocks": """
  {% for message in messages %}
    {{ message.role }}:
  {%- if loop.first %} first {% endif %}
  {# a comment #}
  {%- if loop.last -%}   last   {%- endif +%}
  {% endfor %}
end
""",
    "trailing newline is kept once": "{{ bos_token }}\n\n",
    "loop controls": """{% for message in messages %}
{% if message.role == 'system' %}{% continue %}{% endif %}
{% if loop.index > 3 %}{% break %}{% endif %}
{{ loop.index }}/{{ loop.length }} {{ message['content'] }}
{% endfor %}""",
    "generation blocks": """{% for message in messages %}
{% if message.role == 'assistant' %}
  {%- generation -%}
  A: {{ message.content }}
  {% endgeneration %}
{% else %}
{{ '{% generation %}' }}{% raw %}{% generation %}{{ {% endraw %} {# {% generation %} #}
{% endif %}
{% endfor %}""",
    "namespace and set": """{% set ns = namespace(found=false, n=0, text='') %}
{% for message in messages %}
{% set ns.n = ns.n + 1 %}{% set inner = 'lost' %}
{% if message.role == 'user' and not ns.found %}{% set ns.found = true %}{% set ns.text = ns.text ~ message.content %}{% endif %}
{% endfor %}
{{ ns.n }}|{{ ns.found }}|{{ ns.text }}|{{ inner is defined }}
{% set block %}captured {{ ns.n }}{% endset %}
{{ block | upper }}""",
    "macros": """{% macro line(message, mark='-', end='\\n') %}
{{ mark }} {{ message.role | capitalize }}: {{ message.content | trim }}{{ end }}
{% endmacro %}
{% macro all(items) %}{% for item in items %}{{ line(item, mark=loop.index0) }}{% endfor %}{% endmacro %}
{{ all(messages) }}{{ line(messages[-1], end='') }}""",
    "call blocks": """{% macro box(title) %}[{{ title }}: {{ caller() }}]{% endmacro %}
{% call box('last') %}{{ messages[-1].content }}{% endcall %}""",
    "tojson": """{{ messages | tojson }}
{{ tools | tojson(indent=2) }}
{{ tools | tojson(ensure_ascii=True) }}
{{ messages[0] | tojson(separators=(',', ':')) }}
{{ messages[0] | tojson(sort_keys=True, indent=4) }}
{{ [1, 1.0, 1e20, 1e-7, 0.1, -0.0, true, none, '\\x7f\\t', {}, []] | tojson }}
{{ {'b': 1, 'a': {'c': []}} | tojson(indent=1) }}""",
    "python strings of values": """{{ true }} {{ none }} {{ 1.0 }} {{ 1e16 }} {{ 1e-5 }} {{ 123456789.25 }} {{ [1, 'a', "it's", none] }}
{{ {'k': 'v', 'n': [true]} }} {{ ('a', 'b')[1] }} {{ 7 // 2 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ -7 % 3 }}
{{ 'x' ~ 1 ~ none ~ true }} {{ missing }}|{{ missing is defined }}""",
    "values of messages printed": "{% for message in messages %}{% if message.tool_calls %}{{ message.tool_calls[0].function.arguments }}{{ message.tool_calls[0].function.arguments | string }}{% endif %}{% endfor %}",
    "values joined to strings": """{{ 'm: ' ~ messages[1] }} {{ 'n: ' ~ messages[0].content ~ 1.5 ~ 2 }} {{ messages[0] ~ messages[-1] }}
{% for m in messages if m.tool_calls %}{{ m.tool_calls ~ '' }} {{ m.tool_calls | string + '!' }} {{ [m.tool_calls[0].function, 1] }}{% endfor %}
{{ messages | map(attribute='role') | join(', ') }} {{ [1.5, none, true] | join('-') }} {{ messages[:1] + messages[-1:] }} {{ messages[0] == messages[0] }} {{ messages[0] in messages }}""",
    "string methods": """{% set s = '  Hello, World  ' %}
[{{ s.strip() }}] [{{ s.lstrip() }}] [{{ s.rstrip() }}] [{{ s.strip().upper() }}] [{{ s.lower().title() }}]
{{ s.strip().split(', ') }} {{ 'a-b-c'.split('-', 1) }} {{ 'a-b-c'.rsplit('-', 1) }} {{ ' a  b '.split() }}
{{ s.replace('l', 'L') }} {{ 'aaa'.replace('a', 'b', 2) }} {{ s.strip().startswith('Hello') }} {{ 'x.y'.endswith(('.y', '.z')) }}
{{ ', '.join(['a', 'b']) }} {{ 'abc'.find('c') }} {{ 'abcabc'.count('bc') }} {{ 'xxabcxx'.strip('x') }}
{{ 'prefix-rest'.removeprefix('prefix-') }} {{ 'a.txt'.removesuffix('.txt') }} {{ 'k=v=w'.partition('=')[2] }} {{ 'k=v=w'.rpartition('=')[0] }}
{{ '<think>x</think>y'.split('</think>')[-1] }} {{ 'a\\nb'.splitlines() }} {{ '12'.isdigit() }} {{ 'äöü'.capitalize() }}""",
    "dictionaries": """{% for message in messages %}{% for key, value in message.items() %}{{ key }},{% endfor %};{% endfor %}
{{ messages[0].get('missing', 'fallback') }} {{ messages[0].get('missing') }} {{ 'role' in messages[0] }} {{ messages[0].keys() | list }}
{{ dict(a=1, b=2) }} {% for k, v in {'b': 1, 'a': 2} | dictsort %}{{ k }}{{ v }}{% endfor %} {{ messages[0] | items | list | length }} {{ messages[0] | length }}""",
    "tests": """{% for v in [1, 1.5, 'a', [1], {'a': 1}, none, true] %}
{{ v is string }} {{ v is mapping }} {{ v is iterable }} {{ v is sequence }} {{ v is number }} {{ v is integer }} {{ v is float }} {{ v is none }} {{ v is boolean }} {{ v is true }}
{% endfor %}
{{ 'a' is in ['a'] }} {{ 3 is odd }} {{ 4 is divisibleby(2) }} {{ tools is not none }} {{ documents is none }} {{ 1 is eq 1 }} {{ missing is undefined }}""",
    "slices and filters": """{{ messages[1:] | length }} {{ messages[-1].content[::-1][:3] }} {{ messages | map(attribute='role') | join(', ') }}
{{ messages | selectattr('role', 'equalto', 'user') | list | length }} {{ messages | rejectattr('role', 'equalto', 'user') | map(attribute='role') | list }}
{{ [3, 1, 2] | sort | join }} {{ [1, 2] | sum }} {{ [1, 2, 3] | last }} {{ 'abc' | first }} {{ 'abc' | reverse }} {{ [1, 1] | unique | list }}
{{ '' | default('d', true) }} {{ missing | default('e') }} {{ '3' | int + 1 }} {{ ' x ' | trim }} {{ 'a b' | title }} {{ 'a\\nb' | indent(2) }} {{ 'x' | upper | lower }}
{{ range(3) | list }} {{ range(1, 7, 2) | list }} {{ [1] + [2] }} {{ 'ab' * 2 }} {{ 3.7 | round }} {{ -3 | abs }} {{ '%s' | format('f') }} {{ 'x' if false }}|{{ 'a' if true else 'b' }}""",
    "loop variables": """{% for m in messages %}{{ loop.index }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.previtem.role if loop.previtem is defined }}{{ loop.nextitem.role if not loop.last }} {% endfor %}
{% for m in messages if m.role == 'user' %}{{ loop.index }}{% else %}none{% endfor %}
{% for x in [] %}x{% else %}empty{% endfor %} {% for a, b in [[1, 2], [3, 4]] %}{{ a }}{{ b }}{% endfor %}""",
    "date": "{{ strftime_now('%d %b %Y %H:%M:%S %j %A') }} {{ strftime_now('%-d/%m/%y') }}{% if strftime_now is defined %} known{% endif %}",
    "raise with a value in it": "{{ raise_exception('Role ' ~ messages[0].role ~ ' is not \"allowed\"!\nReally: ' ~ messages | length) }}",
    "raise inside a macro": "{% macro m(x) %}{% if x %}{{ raise_exception('deep') }}{% endif %}{% endmacro %}{{ m(true) }}",
    "undefined member of an undefined value": "{{ missing.member }}",
    "adding a number to a string": "{{ 'a' + 1 }}",
    "undefined to json": "{{ missing | tojson }}",
}
