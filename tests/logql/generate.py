# SPDX-License-Identifier: Apache-2.0
"""LogQL queries over dataset.py: every stage, range aggregation and operator, alone and in random company."""
import random

SELECTORS = ('{app="shop"}', '{app="cart"}', '{app="nginx"}', '{job="batch"}', '{app="packed"}', '{env="prod"}',
             '{app=~"shop|cart"}', '{app!="nginx", env="prod"}', '{app=~".+", env!~"d.*"}', '{pod=~"shop-[01]"}',
             '{service_name="shop"}')
LINE_FILTERS = ('|= "error"', '!= "info"', '|~ "5\\\\d\\\\d"', '!~ "(?i)ERROR"', '|= "order" != "404"',
                '|= "GET" or "POST"', '!= "200" or "304"', '|~ "(?i)warn|error"', '|> "<_> - <_>"', '!> "INFO <_>"',
                '|> "level=<_> caller"', '|= ip("192.168.1.0/24")', '|= ip("10.0.1.0-10.0.2.255")', '|= ``', '|= "주문"')
PARSERS = ('| json', '| json status, took', '| json method="request.method", tag="request.tags[0]"', '| logfmt',
           '| logfmt --strict', '| logfmt --keep-empty', '| logfmt lvl="level", caller', '| unpack',
           '| pattern "<ip> - <user> [<_>] \\"<method> <path> <_>\\" <status> <bytes> <_>"',
           '| regexp "(?P<verb>GET|POST|PUT) (?P<what>[^ ]+)"', '| regexp "worker (?P<worker>\\\\d)"', '| decolorize')
LABEL_FILTERS = ('| level="error"', '| level!="info"', '| level=~"warn|error"', '| status>=400', '| status==200',
                 '| status<300 or level="debug"', '| took>500ms', '| took<=0.1s and status=200', '| size>32KB',
                 '| bytes>1000', '| dur<=2ms', '| user="u1"', '| trace_id=~"[0-7].*"', '| __error__=""',
                 '| __error__!=""', '| detected_level="error"', '| (status>=500 or took>800ms), level!="debug"',
                 '| request_ip=ip("10.0.1.0/24")', '| latency>1.5')
FORMATS = ('| line_format "{{.level}} {{.status}}"', '| line_format "{{ .msg | ToUpper }}"',
           '| line_format "{{ printf \\"%s:%s\\" .app .level | trunc 9 }}"', '| line_format "{{ __line__ | len }}"',
           '| line_format `{{ if eq .level "error" }}bad{{ else }}{{ default "none" .level }}{{ end }}`',
           '| line_format `{{ regexReplaceAll "[0-9]+" __line__ "N" }}`', '| label_format lvl=level',
           '| label_format text="{{.app}}-{{.level}}", status="{{.status}}x"', '| drop level, status',
           '| drop level="info"', '| keep app, level', '| keep level="error"')
UNWRAPS = ('| json | unwrap status', '| json | unwrap latency', '| json | unwrap duration(took)',
           '| json | unwrap bytes(size)', '| logfmt | unwrap bytes | __error__=""', '| logfmt | unwrap duration(dur)',
           '| logfmt | unwrap code | __error__=""')
COUNTS = ('count_over_time', 'rate', 'bytes_rate', 'bytes_over_time')
VALUES = ('sum_over_time', 'avg_over_time', 'min_over_time', 'max_over_time', 'first_over_time', 'last_over_time',
          'stddev_over_time', 'stdvar_over_time', 'quantile_over_time(0.9,', 'quantile_over_time(0.5,', 'rate', 'rate_counter')
GROUPS = ('', ' by (app)', ' by (level)', ' by (app, env)', ' without (pod, trace_id, user)', ' by ()')
RANGES = ('1m', '5m', '10m', '90s')
VECTORS = ('sum', 'avg', 'min', 'max', 'count', 'stddev', 'stdvar')


class Generator:
    def __init__(self, seed):
        self.rnd = random.Random(seed)

    def pick(self, of):
        return self.rnd.choice(of)

    def pipeline(self):
        stages = []
        for of, chance in ((LINE_FILTERS, 0.5), (PARSERS, 0.8), (LABEL_FILTERS, 0.6), (FORMATS, 0.4), (LINE_FILTERS, 0.2)):
            if self.rnd.random() < chance:
                stages.append(self.pick(of))
        return ' '.join(stages)

    def log(self):
        return f'{self.pick(SELECTORS)} {self.pipeline()}'.strip()

    def offset(self):
        return ' offset 2m' if self.rnd.random() < 0.1 else ''

    def counted(self):
        stages = []
        for of, chance in ((LINE_FILTERS, 0.5), (PARSERS, 0.5), (LABEL_FILTERS, 0.4)):
            if self.rnd.random() < chance:
                stages.append(self.pick(of))
        stages += ['| drop __error__, __error_details__'] if self.rnd.random() < 0.9 else []
        return (f'{self.pick(COUNTS)}({self.pick(SELECTORS)} {" ".join(stages)} '
                f'[{self.pick(RANGES)}]{self.offset()})')

    def unwrapped(self):
        fn = self.pick(VALUES)
        opened = fn if fn.endswith(',') else fn + '('
        selector = self.pick(SELECTORS[:2] + ('{app=~"shop|cart", env="prod"}',))
        group = self.pick(GROUPS[1:5]) if fn.split('(')[0] not in ('rate', 'sum_over_time', 'rate_counter') else ''
        return (f'{opened} {selector} {self.pick(UNWRAPS)} | __error__="" [{self.pick(RANGES)}]{self.offset()}){group}')

    def vector(self):
        return self.counted() if self.rnd.random() < 0.6 else self.unwrapped()

    def metric(self):
        kind = self.rnd.randrange(10)
        if kind < 2:
            return self.vector()
        if kind < 6:
            return f'{self.pick(VECTORS)}{self.pick(GROUPS)} ({self.vector()})'
        if kind == 6:
            return f'{self.pick(("topk", "bottomk"))}({self.rnd.randrange(1, 4)}, sum by (app, level) ({self.counted()}))'
        if kind == 7:
            return (f'sum by (app) ({self.counted()}) {self.pick(("+", "-", "*", "/", "%", ">", "<=", "== bool", "!=", "and", "or", "unless"))} '
                    f'sum by (app) ({self.counted()})')
        if kind == 8:
            return f'{self.vector()} {self.pick(("+", "*", "^", "> bool", ">", "%"))} {self.pick(("2", "0.5", "10"))}'
        return (f'label_replace(sum by (app) ({self.counted()}), "{self.pick(("kind", "app"))}", "$1-x", "app", '
                f'"{self.pick(("(.*)", "s(.*)", "nope"))}")')
