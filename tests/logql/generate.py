# SPDX-License-Identifier: Apache-2.0
"""LogQL queries over dataset.py: every stage, range aggregation and operator, alone and in random company."""
import random
import re

SELECTORS = ('{app="shop"}', '{app="cart"}', '{app="nginx"}', '{job="batch"}', '{app="packed"}', '{env="prod"}',
             '{app=~"shop|cart"}', '{app!="nginx", env="prod"}', '{app=~".+", env!~"d.*"}', '{pod=~"shop-[01]"}',
             '{service_name="shop"}', '{app="odd"}', '{env="dev", pod=""}', '{env=~"prod|dev", host!=""}',
             '{ env = "prod", app !~ "nginx|cart" }')
LINE_FILTERS = ('|= "error"', '!= "info"', '|~ "5\\\\d\\\\d"', '!~ "(?i)ERROR"', '|= "order" != "404"',
                '|= "GET" or "POST"', '!= "200" or "304"', '|~ "(?i)warn|error"', '|> "<_> - <_>"', '!> "INFO <_>"',
                '|> "level=<_> caller"', '|= ip("192.168.1.0/24")', '|= ip("10.0.1.0-10.0.2.255")', '|= ``', '|= "주문"',
                '|~ `\\d+ms`', '!~ "cart|shop" or "worker"', '|~ "^ERROR" or "WARN"', '!= ip("10.0.0.0/16")',
                '|> "<_>level=info<_>" or "<_>GET<_>"', '|= `"GET` |= "js" |~ "[45]..$"', '!= ``', '|~ ".*"', '!~ ".+"',
                '|= "ERROR" or "\\u001b[31m"')
PARSERS = ('| json', '| json status, took', '| json method="request.method", tag="request.tags[0]"', '| logfmt',
           '| logfmt --strict', '| logfmt --keep-empty', '| logfmt lvl="level", caller', '| unpack',
           '| pattern "<ip> - <user> [<_>] \\"<method> <path> <_>\\" <status> <bytes> <_>"',
           '| regexp "(?P<verb>GET|POST|PUT) (?P<what>[^ ]+)"', '| regexp "worker (?P<worker>\\\\d)"', '| decolorize',
           '| json request, tags="request[\\"tags\\"]", none="a.b.c"', '| logfmt --strict --keep-empty',
           '| logfmt --strict lvl="level", took="dur"', '| json | json took="request.ip"', '| json | logfmt', '| logfmt | json',
           '| pattern `<first> <rest>`', '| pattern `<_> <user> <_>`', '| regexp `(?P<level>[A-Z]{4,5}) (?P<user>\\S+)`',
           '| unpack | logfmt', '| json | line_format "{{.path}}" | pattern "/api/<version>/<_>"',
           '| logfmt | line_format "{{.msg}}" | regexp "cart (?P<cart>\\\\d+)"', '| json app, env="level", user="request.ip"')
LABEL_FILTERS = ('| level="error"', '| level!="info"', '| level=~"warn|error"', '| status>=400', '| status==200',
                 '| status<300 or level="debug"', '| took>500ms', '| took<=0.1s and status=200', '| size>32KB',
                 '| bytes>1000', '| dur<=2ms', '| user="u1"', '| trace_id=~"[0-7].*"', '| __error__=""',
                 '| __error__!=""', '| detected_level="error"', '| (status>=500 or took>800ms), level!="debug"',
                 '| request_ip=ip("10.0.1.0/24")', '| latency>1.5', '| level!~"warn|info"', '| status!=200 status!=404',
                 '| request_ip!=ip("10.0.0.1-10.0.1.99")', '| code==500', '| code!=200', '| size<=16KiB', '| size!=8KB',
                 '| dur>1ms500us and bytes<5e4', '| level="warn" or (level="error" and bytes>50000)', '| code>=0 or level="info"',
                 '| none=""', '| none!=""', '| app="shop"', '| env=~"pro.+"', '| user_extracted=~"u.*|user.*"',
                 '| __error__=~"JSON.*"', '| status=~"[45].."', '| latency<=0.25', '| user=""', '| bytes>=1KB',
                 '| app=~"shop|cart" | level="error"', '| ok="false"', '| flag=""', '| took=12ms or took>899ms')
FORMATS = ('| line_format "{{.level}} {{.status}}"', '| line_format "{{ .msg | ToUpper }}"',
           '| line_format "{{ printf \\"%s:%s\\" .app .level | trunc 9 }}"', '| line_format "{{ __line__ | len }}"',
           '| line_format `{{ if eq .level "error" }}bad{{ else }}{{ default "none" .level }}{{ end }}`',
           '| line_format `{{ regexReplaceAll "[0-9]+" __line__ "7" }}`', '| label_format lvl=level',
           '| label_format text="{{.app}}-{{.level}}", status="{{.status}}x"', '| drop level, status',
           '| drop level="info"', '| keep app, level', '| keep level="error"', '| line_format "{{.user}}"',
           '| label_format a="{{.app}}", b="{{.a}}", c=b', '| label_format level="{{.level | title}}", was=level',
           '| drop level=~"i.*", status!="200", none', '| drop trace_id, user, user_extracted', '| drop app, pod',
           '| keep level=~"warn|error", env, user=""', '| keep __error__', '| drop __error__', '| drop __error__="JSONParserErr"',
           '| label_format app="x", env="{{.env}}y"', '| label_format user=app', '| drop __error_details__',
           '| line_format `{{ __timestamp__ | unixEpochNanos }}`', '| line_format `{{ add 1 2 | mul 3 }} {{ sub 9 4 }} {{ div 9 2 }} {{ mod 9 4 }}`',
           '| line_format `{{ .status | int }} {{ .latency | float64 }} {{ mulf 2.5 2 }} {{ addf 0.5 1 }} {{ round 1.2345 2 }} {{ ceil 1.2 }}`',
           '| line_format `{{ max 1 5 3 }} {{ min 4 2 }} {{ floor 2.7 }} {{ subf 3 1.5 }} {{ divf 3 2 }} {{ maxf 1 2.5 }}`',
           '| line_format `{{ .path | replace "/" "." | trimPrefix "." | trimSuffix "1" }}`', '| line_format `{{ substr 0 5 __line__ }}`',
           '| line_format `{{ alignLeft 8 .level }}|{{ alignRight 8 .status }}|{{ .app | repeat 2 }}`',
           '| line_format `{{ __line__ | b64enc | trunc 12 }} {{ b64dec "aGk=" }}`', '| line_format `{{ .dur | duration_seconds }}`',
           '| line_format `{{ .took | duration }}`', '| line_format `{{ .size | bytes }}`', '| line_format `{{ bytes .size }} {{ .none }}`',
           '| line_format `{{ __line__ | lower | count "e" }} {{ .msg | contains "cart" }} {{ hasPrefix "a" .app }} {{ hasSuffix "t" .app }}`',
           '| line_format `{{ with .level }}<{{ . }}>{{ else }}none{{ end }}`', '| line_format `{{ .level | urlencode }}{{ urldecode "%20" }}`',
           '| line_format `{{ $x := .status }}{{ if and $x (ne $x "200") }}{{ $x }}{{ else if not $x }}-{{ end }}`',
           '| line_format `{{ (fromJson .request).method }}`', '| line_format `{{ range $i, $q := fromJson (default "[3, 4.5]" .tags) }}{{ $i }}={{ $q }};{{ end }}`',
           '| line_format `{{ slice .app 1 2 }} {{ 1e6 }} {{ mulf 1e5 12.5 }} {{ int "0x1f" }} {{ print 1 2 "a" "b" 3 }}`', '| line_format `{{ .level | ToLower | title }} {{ upper .app }} {{ trim " a " }}`',
           '| line_format `{{ trimAll "[]" "[x]" }} {{ indent 2 .app }} {{ nindent 1 .app }} {{ "a\\tb" }}`',
           '| line_format `{{ regexReplaceAllLiteral "a" .app "$1" }} {{ .app | TrimLeft "s" }} {{ index . "level" }}`',
           '| line_format `{{ unixToTime "1700000000" | date "2006-01-02" }} {{ toDate "2006" "2021" | unixEpoch }}`',
           '| line_format `{{- .app -}} {{/* none */}} {{ printf "%q %5d %-4s| %x %v" .app 7 .env "hi" true }}`')
# What finds something in what: selectors, parsers, label filters
FITTING = (
    (('{app="shop"}', '{pod=~"shop-[01]"}', '{service_name="shop"}', '{env="prod", app="shop"}'),
     ('| json', '| json', '| json status, level, took, latency, size, ok', '| json method="request.method", level, status, took',
      '| json level, request_ip="request.ip", status | label_format s=status', '| json | logfmt',
      '| json | line_format "{{.path}}" | pattern "/api/<version>/<_>"'),
     [f for f in LABEL_FILTERS if any(w in f for w in ('level', 'status', 'took', 'size', 'user=', 'trace', 'ip', 'latency', 'ok='))]),
    (('{app="cart"}', '{app="cart", env="dev"}', '{app=~"c.*"}'),
     ('| logfmt', '| logfmt', '| logfmt --strict', '| logfmt --keep-empty', '| logfmt level, code, bytes, dur', '| logfmt lvl="level", caller, code'),
     [f for f in LABEL_FILTERS if any(w in f for w in ('level', 'bytes', 'code', 'dur', 'flag', '__error__='))]),
    (('{app="nginx"}', '{host="web1"}'),
     ('| pattern "<ip> - <user> [<_>] \\"<method> <path> <_>\\" <status> <bytes> <_>"', '| regexp "(?P<verb>GET|POST|PUT) (?P<what>[^ ]+)"',
      '| pattern `<ip> <_> "<method> <path> <_>" <status> <_>`', '| regexp `" (?P<status>\\d{3}) (?P<bytes>\\d+)`'),
     ('| status>=400', '| status=~"3..|200"', '| bytes>1KB', '| bytes<=5000 or status=502', '| ip=ip("192.168.1.0/24")',
      '| ip!=ip("192.168.0.0-192.168.2.255")', '| method="GET"', '| verb!="PUT"', '| path=~".*[1-4].js"')),
    (('{app="packed"}',), ('| unpack', '| unpack | logfmt', '| json', '| json container, entry="_entry"'),
     ('| container="c1"', '| node!="n0"', '| level="info"', '| container=~"c[02]", node="n1"')),
    (('{app="odd"}',), PARSERS, LABEL_FILTERS),
)
UNWRAPS = ('| json | unwrap status', '| json | unwrap latency', '| json | unwrap duration(took)',
           '| json | unwrap bytes(size)', '| logfmt | unwrap bytes | __error__=""', '| logfmt | unwrap duration(dur)',
           '| logfmt | unwrap code | __error__=""', '| logfmt --keep-empty | unwrap duration_seconds(dur)',
           '| json | status>=400 | unwrap duration(took) | level="error"', '| json latency, level | unwrap latency',
           '| json | label_format v="{{ .status }}" | unwrap v', '| logfmt | drop msg, caller | unwrap bytes',
           '| json | keep app, latency, level | unwrap latency', '| logfmt bytes, level | unwrap bytes')
COUNTS = ('count_over_time', 'rate', 'bytes_rate', 'bytes_over_time')
VALUES = ('sum_over_time', 'avg_over_time', 'min_over_time', 'max_over_time', 'first_over_time', 'last_over_time',
          'stddev_over_time', 'stdvar_over_time', 'quantile_over_time(0.9,', 'quantile_over_time(0.5,', 'rate',
          'quantile_over_time(1,', 'quantile_over_time(0,')
GROUPS = ('', ' by (app)', ' by (level)', ' by (app, env)', ' without (pod, trace_id, user)', ' by ()', ' by (user, detected_level)',
          ' without ()', ' by (status, none)')
RANGES = ('1m', '5m', '10m', '90s', '1m30s', '15m')
VECTORS = ('sum', 'avg', 'min', 'max', 'count', 'stddev', 'stdvar')
ARITHMETIC = ('+', '-', '*', '/', '%', '^')
COMPARISONS = ('>', '<=', '==', '!=', '<', '>=')


# Where Loki's answer is a defect or chance, which query/logql/README.md names
NOT_COMPARED = (
    re.compile(r'\| (json|logfmt|unpack|regexp)\b.*\| logfmt [^|]*="'),  # a key parsed before is not found under another name
    re.compile(r'\| json \| json took.*\| .*took[<>=]'),  # a filter is asked before the label changes
    re.compile(r'verb!=.*regexp|line_format.*ip!?=ip'),
    re.compile(r'decolorize.*u001b'),  # filters go before decolorize
    # series that differ in an empty label are not one series
    re.compile(r'(--keep-empty|\| (json|logfmt|logfmt --strict) \w+[,=]).*without|without.*(--keep-empty|\| (json|logfmt|logfmt --strict) \w+[,=])'),
    re.compile(r'(avg|rate|std|quantile|/).* % | % .*(avg|rate|std|quantile|/)'),  # a last bit decides
)


class Generator:
    def __init__(self, seed):
        self.rnd = random.Random(seed)

    def pick(self, of):
        return self.rnd.choice(of)

    def chance(self, p):
        return self.rnd.random() < p

    def pipeline(self, *stages):
        return ' '.join(self.pick(of) for of, chance in stages if self.chance(chance))

    def fitting(self):
        """A selector, with parsers and label filters that mostly find something in its lines."""
        selectors, parsers, filters = self.pick(FITTING) if self.chance(0.7) else (SELECTORS, PARSERS, LABEL_FILTERS)
        return self.pick(selectors), parsers, filters

    def log(self):
        selector, parsers, filters = self.fitting()
        text = self.pipeline((LINE_FILTERS, 0.25), (parsers, 0.85), (filters, 0.6), (FORMATS, 0.5), (LINE_FILTERS, 0.15),
                             (parsers, 0.1), (filters, 0.1), (FORMATS, 0.2))
        space = '\n  # what it does\n  ' if self.chance(0.05) else ' '
        return f'{selector}{space}{text}'.strip()

    def offset(self):
        return self.pick((' offset 2m', ' offset 90s', ' offset -1m')) if self.chance(0.1) else ''

    def ranged(self, selector, stages):
        """The range behind the pipeline or behind the selector."""
        span = f'[{self.pick(RANGES)}]'
        if self.chance(0.1) and 'unwrap' not in stages:
            return f'{selector} {span}{self.offset()} {stages}'
        return f'{selector} {stages} {span}{self.offset()}'

    def counted(self):
        selector, parsers, filters = self.fitting()
        stages = self.pipeline((LINE_FILTERS, 0.25), (parsers, 0.6), (filters, 0.45), (FORMATS, 0.15))
        if self.chance(0.9):
            stages += ' | drop __error__, __error_details__'
        return f'{self.pick(COUNTS)}({self.ranged(selector, stages)})'

    def unwrapped(self):
        fn = self.pick(VALUES)
        opened = fn if fn.endswith(',') else fn + '('
        selector = self.pick(SELECTORS[:2] + ('{app=~"shop|cart", env="prod"}',))
        group = self.pick(GROUPS[1:]) if fn.split('(')[0] not in ('rate', 'sum_over_time') else ''
        return f'{opened} {self.ranged(selector, self.pick(UNWRAPS) + self.pick(("", " | user!=`u1`")) + " | __error__=``")}){group}'

    def vector(self):
        return self.counted() if self.chance(0.6) else self.unwrapped()

    def aggregated(self):
        group = self.pick(GROUPS)
        if self.chance(0.3):
            return f'{self.pick(VECTORS)}({self.vector()}){group}'
        return f'{self.pick(VECTORS)}{group} ({self.vector()})'

    def ranked(self):
        """Ties are in no order that a peer shares: the values have many digits."""
        group = self.pick(('', ' by (app)', ' without (level)'))
        inner = self.pick(('sum by (app, level, path) (sum_over_time({app="shop"} | json | unwrap latency | __error__=""',
                           'avg by (app, level, request_method) (rate({app="shop"} | json | unwrap latency | __error__=""',
                           'sum by (app, level, caller) (sum_over_time({app="cart"} | logfmt | unwrap duration(dur) | __error__=""',
                           'max by (app, level) (avg_over_time({app="cart"} | logfmt | unwrap bytes | __error__=""'))
        inner += f' [{self.pick(RANGES)}]))'
        return f'{self.pick(("topk", "bottomk"))}{group} ({self.rnd.randrange(1, 4)}, {inner})'

    def matched(self):
        """Two vectors, with the words about how their series find each other."""
        op = self.pick(ARITHMETIC + COMPARISONS + ('== bool', '> bool', 'and', 'or', 'unless'))
        kind = self.rnd.randrange(4)
        if kind == 0 or op in ('or',):
            return f'sum by (app) ({self.counted()}) {op} sum by (app) ({self.counted()})'
        if kind == 1:
            return f'sum by (app, env) ({self.counted()}) {op} {self.pick(("on (app, env)", "ignoring (level)"))} sum by (app, env) ({self.counted()})'
        if op in ('and', 'unless'):
            return f'sum by (app, env) ({self.counted()}) {op} on (app) sum by (app) ({self.counted()})'
        many, one = f'sum by (app, env) ({self.counted()})', f'sum by (app) ({self.counted()})'
        if kind == 2:
            extra, group = self.pick((('', ''), ('service_name', ', service_name')))
            return f'{many} {op} on (app) group_left ({extra}) sum by (app{group}) ({self.counted()})'
        return f'{one} {op} ignoring (env) group_right () {many}'

    def number(self):
        return self.pick(('2', '0.5', '10', '-3', '1e2', '(1 + 2 * 3)', '2 ^ 3 ^ 0.5', 'vector(4)'))

    def of(self, kind):
        while True:
            query = getattr(self, kind)()
            if not any(r.search(query) for r in NOT_COMPARED):
                return query

    def metric(self):
        kind = self.rnd.randrange(13)
        if kind < 2:
            return self.vector()
        if kind < 6:
            return self.aggregated()
        if kind == 6:
            return self.ranked()
        if kind == 7:
            return self.matched()
        if kind == 8:
            op = self.pick(ARITHMETIC + COMPARISONS + ('> bool', '<= bool'))
            pair = [self.vector(), self.pick(('2', '0.5', '10', '-1', '(3 - 1)'))]
            if self.chance(0.3):
                pair.reverse()
            return f' {op} '.join(pair)
        if kind == 9:
            return (f'label_replace(sum by (app, level) ({self.counted()}), "{self.pick(("kind", "detected_level"))}", '
                    f'"{self.pick(("$1-x", "${1}y", "", "z"))}", "{self.pick(("app", "level", "none"))}", '
                    f'"{self.pick(("(.*)", "s(.*)", "nope", "(?P<n>.+)"))}")')
        if kind == 10:
            return f'absent_over_time({self.ranged(self.pick(SELECTORS), self.pipeline((LINE_FILTERS, 0.6)))})'
        if kind == 11:
            return f'{self.pick(("sort", "sort_desc"))}({self.aggregated()})'
        return self.pick((f'{self.number()} {self.pick(ARITHMETIC)} {self.number()}',
                          f'label_replace(sum by (app) ({self.counted()}), "app", "$1-x", "app", "(.*)")',
                          f'vector({self.rnd.randrange(9)}) {self.pick(ARITHMETIC + COMPARISONS)} {self.number()}',
                          f'-1 * ({self.aggregated()})', f'({self.aggregated()} + 1) * 2 - {self.number()}',
                          f'sum(sum by (app) ({self.counted()})) or vector(0)',
                          f'max({self.aggregated()}) / 100 > 0.01',
                          f'sum by (app, __error__) ({self.pick(COUNTS)}({self.pick(SELECTORS)} {self.pick(PARSERS)} | __error__!="" '
                          f'[{self.pick(RANGES)}]))',
                          f'count(sum by (app, level) ({self.counted()}))'))
