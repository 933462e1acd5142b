# SPDX-License-Identifier: Apache-2.0
"""C source as the gates see it: comments and literals blanked, functions with their sizes.

Not a compiler: it relies on the tree being formatted by clang-format (a function's brace opens in column
one), which the format gate proves first.
"""
import re
import subprocess
from pathlib import Path

_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
_BRANCH = re.compile(r'\b(?:if|for|while|case)\b|&&|\|\||\?')
_NAME = re.compile(r'([A-Za-z_]\w*)\s*\(')
_KEYWORDS = {'if', 'for', 'while', 'switch', 'return', 'sizeof', '__attribute__', 'defined'}


def blank(text, keep_strings=False):
    """Replace comments (and literals) by spaces; line numbers stay."""
    def spaces(m):
        s = m.group(0)
        if keep_strings and s[0] == '"':
            return s
        edge = s[0] if s[0] in '"\'' else ' '
        inner = ''.join(c if c == '\n' else ' ' for c in s[1:-1])
        return edge + inner + (edge if edge != ' ' else ' ')
    return _TOKEN.sub(spaces, text)


def tracked(root, *suffixes):
    """Files of the tree (tracked and new, not ignored), as paths relative to root."""
    try:
        out = subprocess.run(['git', '-C', str(root), 'ls-files', '-z', '--cached', '--others',
                              '--exclude-standard'], check=True, capture_output=True).stdout
        names = [n for n in out.decode().split('\0') if n]
    except (subprocess.CalledProcessError, FileNotFoundError):
        names = [str(p.relative_to(root)) for p in Path(root).rglob('*') if p.is_file()]
    names = sorted(set(names))
    return [n for n in names
            if (not suffixes or n.endswith(suffixes)) and (Path(root) / n).is_file()]


def read(path):
    return Path(path).read_text(encoding='utf-8', errors='replace')


class Function:
    def __init__(self, name, line, lines, complexity, params):
        self.name, self.line, self.lines = name, line, lines
        self.complexity, self.params = complexity, params


def _count_params(args):
    depth, n = 0, 1
    for c in args:
        depth += c in '([{'
        depth -= c in ')]}'
        n += c == ',' and depth == 0
    if re.search(r',\s*struct err \*reterr\s*$', args):
        n -= 1  # every fallible function may end with it
    return 0 if args.strip() in ('', 'void') else n


def functions(text):
    """All function definitions of a formatted C file."""
    lines = blank(text).split('\n')
    found = []
    i = 0
    while i < len(lines):
        if lines[i] != '{':
            i += 1
            continue
        start = i
        while start > 0 and lines[start - 1].strip() and lines[start - 1][0] not in '#}' \
                and not lines[start - 1].rstrip().endswith(';'):
            start -= 1
        head = ' '.join(lines[start:i])
        end = i
        while end < len(lines) and lines[end] != '}':
            end += 1
        m = next((m for m in _NAME.finditer(head) if m.group(1) not in _KEYWORDS
                  and not _is_attribute(head, m)), None)
        if m:
            body = '\n'.join(l for l in lines[i:end + 1] if not l.lstrip().startswith('#'))
            found.append(Function(m.group(1), start + 1, end - start + 1,
                                  1 + len(_BRANCH.findall(body)),
                                  _count_params(_args(head, m.end() - 1))))
        i = end + 1
    return found


def _is_attribute(head, m):
    """MACRO(...) before the real name: something but '{' follows its closing parenthesis."""
    rest = head[m.end() - 1 + len(_args(head, m.end() - 1)) + 2:].strip()
    return _NAME.search(rest) is not None and not rest.startswith(('__attribute__', 'PRINTF_LIKE'))


def _args(head, open_at):
    depth = 0
    for k in range(open_at, len(head)):
        depth += head[k] == '('
        depth -= head[k] == ')'
        if depth == 0:
            return head[open_at + 1:k]
    return head[open_at + 1:]


def report(name, problems):
    """Print the problems as a compiler would; exit status for main()."""
    for p in problems:
        print(p)
    if problems:
        print(f'{name}: {len(problems)} problem(s)')
    return 1 if problems else 0
