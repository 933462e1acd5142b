# SPDX-License-Identifier: Apache-2.0
"""Every gate passes a clean sample tree and names each planted offence: a gate that cannot fail guards
nothing."""
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOOLS / 'lib'))
import ctext  # noqa: E402

HEAD = '/* SPDX-License-Identifier: Apache-2.0\n *\n * Sample.\n */\n'


@pytest.fixture
def tree(tmp_path):
    """A clean sample; returns write(name, text) and run(gate, *args)."""
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(gate, *args):
        r = subprocess.run([str(TOOLS / gate), '--root', str(tmp_path), *args],
                           capture_output=True, text=True)
        return r.returncode, r.stdout + r.stderr

    write('src/layers.txt', '0 base\n1 codec\n1 io\n2 model\n5 agent only base codec\n')
    write('src/base/a.h', HEAD + '#ifndef A\n#define A\nint a(void);\n#endif\n')
    write('src/base/a.c', HEAD + '#include "base/a.h"\n\nint a(void)\n{\n    return 1;\n}\n')
    write('src/base/README.md', '# base\n')
    return type('Tree', (), {'write': staticmethod(write), 'run': staticmethod(run)})


@pytest.mark.parametrize('gate', ['check_layers', 'check_size', 'check_banned', 'check_docs'])
def test_clean_tree_passes(tree, gate):
    assert tree.run(gate) == (0, '')


@pytest.mark.parametrize('name,include,says', [
    ('src/base/b.c', 'model/m.h', 'base (layer 0) includes "model/m.h" of model (layer 2)'),
    ('src/codec/b.c', 'io/i.h', 'codec (layer 1) includes "io/i.h" of io (layer 1)'),
    ('src/agent/b.c', 'model/m.h', 'agent may include only base codec'),
    ('src/model/b.c', 'codec/c_internal.h', 'is private to codec'),
    ('src/other/b.c', 'base/a.h', 'belongs to no unit'),
])
def test_layers_refuses(tree, name, include, says):
    for h in ('model/m.h', 'io/i.h', 'codec/c_internal.h'):
        tree.write('src/' + h, HEAD)
    tree.write(name, HEAD + f'#include "{include}"\n')
    code, out = tree.run('check_layers', '--no-compile')
    assert code == 1 and says in out


def test_layers_allows_lower(tree):
    tree.write('src/model/b.c', HEAD + '#include "base/a.h"\n')
    assert tree.run('check_layers', '--no-compile') == (0, '')


def test_layers_finds_cycle(tree):
    tree.write('src/base/x.h', HEAD + '#include "base/y.h"\n')
    tree.write('src/base/y.h', HEAD + '#include "base/x.h"\n')
    code, out = tree.run('check_layers', '--no-compile')
    assert code == 1 and 'include cycle: base/x.h -> base/y.h -> base/x.h' in out


def test_layers_compiles_headers(tree):
    tree.write('src/base/bad.h', HEAD + 'int f(size_t n);\n')
    code, out = tree.run('check_layers')
    assert code == 1 and 'src/base/bad.h: does not compile alone' in out


def function(lines=3, branches=0, params='void'):
    body = ['    if (x) { y(); }'] * branches + ['    z();'] * (lines - 3 - branches)
    return f'int f({params})\n' + '{\n' + '\n'.join(body) + '\n}\n'


@pytest.mark.parametrize('text,says', [
    (function(lines=125), 'f() has 125 lines, limit 120'),
    (function(lines=60, branches=30), 'complexity 31, limit 25'),
    (function(params='int a, int b, int c, int d, int e, int g, int h, int i'), '8 parameters'),
    ('\n' * 1300, 'lines, limit 1200'),
])
def test_size_refuses(tree, text, says):
    tree.write('src/base/big.c', HEAD + text)
    code, out = tree.run('check_size')
    assert code == 1 and says in out


def test_size_limits_headers(tree):
    tree.write('src/base/big.h', HEAD + '\n' * 300)
    assert 'limit 300' in tree.run('check_size')[1]


def test_size_allowlist_only_shrinks(tree):
    tree.write('src/base/big.c', HEAD + function(lines=125))
    tree.write('tools/size_allowlist.txt', 'src/base/big.c:f  # a table\n')
    assert tree.run('check_size') == (0, '')
    tree.write('src/base/big.c', HEAD + function(lines=20))
    assert 'remove the line' in tree.run('check_size')[1]
    tree.write('tools/size_allowlist.txt', 'src/base/big.c:f\n')
    assert 'no reason given' in tree.run('check_size')[1]


@pytest.mark.parametrize('code,says', [
    ('char *f(char *d)\n{\n    return strcpy(d, "x");\n}\n', 'strcpy() is banned'),
    ('int f(char *d)\n{\n    return sprintf(d, "x");\n}\n', 'sprintf() is banned'),
    ('void *f(void)\n{\n    return malloc(1);\n}\n', 'malloc() is banned'),
    ('/* see /work' + '/main/x */\n', 'path of a building machine'),
    ('/* registry.' + 'npmjs.org */\n', 'package registry host'),
])
def test_banned_refuses(tree, code, says):
    tree.write('src/base/bad.c', HEAD + code)
    rc, out = tree.run('check_banned')
    assert rc == 1 and says in out


@pytest.mark.parametrize('body,bad', [
    ('    struct buf b CLEANUP(buf_done);\n\n    if (x) {\n        return 1;\n    }\n    buf_init(&b, 1);\n', True),
    ('    CLEANUP(buf_done) struct buf b;\n\n    return 0;\n', True),
    ('    struct buf b CLEANUP(buf_done);\n\n    buf_init(&b, 1);\n    return 0;\n', False),
    ('    struct buf b CLEANUP(buf_done) = {0};\n\n    return 0;\n', False),
])
def test_cleanup_is_initialised(tree, body, bad):
    tree.write('src/base/c.c', HEAD + 'int f(int x)\n{\n' + body + '}\n')
    rc, out = tree.run('check_banned')
    assert (rc == 1 and 'b may reach its CLEANUP uninitialised' in out) if bad else rc == 0


def test_banned_wants_licence(tree):
    tree.write('src/base/bad.c', 'int x;\n')
    assert 'does not start with SPDX' in tree.run('check_banned')[1]


@pytest.mark.parametrize('code', [
    '/* strcpy(a, b) in a comment */\n',
    'const char *s = "strcpy(a, b)";\n',
    'int f(struct x *x)\n{\n    return x->rand(1) + my_rand(2);\n}\n',
])
def test_banned_ignores(tree, code):
    tree.write('src/base/good.c', HEAD + code)
    assert tree.run('check_banned') == (0, '')


def test_docs_refuses(tree):
    tree.write('src/codec/c.c', HEAD)
    tree.write('docs/x.md', '[gone](nowhere.md)\n')
    tree.write('api/openapi.yaml', '''
openapi: 3.0.3
paths:
  /api/v1/things/{id}:
    get: {operationId: a, responses: {"200": {$ref: "#/components/responses/Gone"}}}
  /api/v1/others:
    get: {operationId: a, responses: {"200": {description: x}}}
''')
    tree.write('src/api/r.c', HEAD + 'const char *p = "/api/v1/unknown";\n')
    code, out = tree.run('check_docs')
    assert code == 1
    for says in ('src/codec: no README.md', 'broken link nowhere.md', 'Gone does not resolve',
                 'path parameter id not declared', 'operationId missing or not unique',
                 '/api/v1/unknown is not in api/openapi.yaml'):
        assert says in out


def test_function_parser():
    text = '''
NODISCARD static int one(struct x *x, int (*cb)(int, int), void *arg)
{
    return a && b ? 1 : 2; /* if */
}

__attribute__((target("sse4.2"))) static uint32_t two(uint32_t crc, const uint8_t *p,
                                                      size_t n)
{
    for (;;) {
    }
}
'''
    found = {f.name: f for f in ctext.functions(text)}
    assert found['one'].params == 3 and found['one'].complexity == 3
    assert found['two'].params == 3 and found['two'].lines == 6
