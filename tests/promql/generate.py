# SPDX-License-Identifier: Apache-2.0
"""Random PromQL over the series of dataset.py. The same seed gives the same queries."""
import random

SELECTORS = ['load1', 'up', 'special', 'many', 'one', 'half', 'half2', 'sparse', 'numbered', 'cpu_seconds_total{cpu="0"}',
             'memory_free_bytes', 'request_seconds_bucket{handler="/api"}', 'target_info', '{__name__=~"half.*"}',
             'special{kind!~"huge|tiny"}', 'filesystem_avail_bytes{mountpoint!="/run"}', 'nope',
             'request_seconds_count', 'load1{instance=~"a.*|b:9100"}', 'up{instance!=""}']
SELECTORS_3 = ['{"http.server.requests"}', '{"http.server.requests","service.name"="shop"}', 'one{"a"="1"}']
LABELS = ['instance', 'job', 'kind', 'mode', 'a', 'b', 'le', 'id', 'side', 'handler', 'device']
MAPS = ['abs', 'ceil', 'floor', 'round', 'sgn', 'sqrt', 'exp', 'ln', 'log2', 'log10', 'cos', 'atan', 'deg', 'absent',
        'timestamp', 'year', 'day_of_week', 'hour', 'days_in_month', 'minute', 'sinh', 'acosh', 'rad']
WINDOWS = ['rate', 'increase', 'delta', 'irate', 'idelta', 'deriv', 'changes', 'resets', 'avg_over_time',
           'sum_over_time', 'min_over_time', 'max_over_time', 'count_over_time', 'last_over_time', 'stddev_over_time',
           'stdvar_over_time', 'present_over_time', 'absent_over_time']
WINDOWS_3 = ['mad_over_time', 'ts_of_first_over_time', 'ts_of_last_over_time', 'ts_of_max_over_time',
             'ts_of_min_over_time', 'first_over_time']
# Without gaps: 3.5 mixes up series when one has no sample at a step.
INFO_OF = ['up', 'up{instance!=""}', 'memory_free_bytes']
FOLDS = ['sum', 'avg', 'min', 'max', 'count', 'group', 'stddev', 'stdvar']


class Generator:
    def __init__(self, seed, base_s, modern, newest=()):
        self.r = random.Random(seed)
        self.base_s = base_s
        self.modern = modern  # 3.x with its experimental functions
        self.windows = WINDOWS + ([w for w in WINDOWS_3 if w not in newest] if modern else [])

    def pick(self, *of):
        return self.r.choice(of)

    def duration(self):
        d = self.pick('30s', '1m', '2m30s', '5m', '11m', '1h')
        if self.modern and self.r.random() < .1:
            d = self.pick('60', '1m+30s', '(5m/2)', '2*90s', '1_00', '0x3c', '11m-1', '2m%45s', '2^7')
        return d

    def modifier(self):
        x = self.r.random()
        if x < .1:
            return ' offset ' + self.pick('', '-') + self.pick('30s', '1m', '2m30s', '5m', '11m', '1h')
        if x < .16:
            return ' @ ' + self.pick('start()', 'end()', str(self.base_s + 3333), f'{self.base_s + 1111}.5')
        return ''

    def name(self):
        if self.modern and self.r.random() < .08:
            return self.r.choice(SELECTORS_3)
        return self.r.choice(SELECTORS)

    def labels(self):
        names = self.r.sample(LABELS, self.r.randint(0, 3))
        if self.modern and self.r.random() < .1:
            names.append('"service.name"')
        return ', '.join(names)

    def scalar(self, d):
        x = self.r.random()
        if x < .6:
            return self.pick('1', '2.5', '-3', '0', 'NaN', 'Inf', '1e3', '0.5', *(('5m', '1_0', '1h30m')
                                                                              if self.modern else ()))
        if x < .7:
            return 'time()'
        if x < .8:
            return 'pi()'
        return '7' if d <= 0 else f'scalar({self.vector(d - 1)})'

    def window(self, d):
        if self.r.random() < .7 or d <= 0:
            return f'{self.name()}[{self.duration()}]{self.modifier()}'
        return f'({self.vector(d - 1)})[{self.pick("1m", "5m", "11m")}:{self.pick("", "15s", "47s", "1m")}]{self.modifier()}'

    def grouping(self):
        return self.pick('', f' by ({self.labels()})', f' without ({self.labels()})')

    def binary(self, d):
        on = self.pick('', f' on({self.labels()})', f' ignoring({self.labels()})')
        if self.r.random() < .35:
            return f'({self.vector(d - 1)} {self.pick("and", "or", "unless")}{on} {self.vector(d - 1)})'
        if on and self.r.random() < .4:
            on += self.pick(' group_left', ' group_right') + self.pick('', f'({self.r.choice(LABELS)})')
        op = self.pick('+', '-', '*', '/', '==', '>', '< bool', '!=', '^', '%', 'atan2')
        return f'({self.vector(d - 1)} {op}{on} {self.vector(d - 1)})'

    def with_scalar(self, d):
        a, b = self.vector(d - 1), self.scalar(d - 1)
        if self.r.random() < .4:
            a, b = b, a
        op = self.pick('+', '-', '*', '/', '%', '^', '==', '!=', '>', '<', '>=', '<=', '== bool', '> bool', 'atan2')
        return f'({a} {op} {b})'

    def modern_only(self, d):
        x = self.r.random()
        if x < .25:
            return f'limitk{self.grouping()} ({self.pick("0", "1", "2", "3.7")}, {self.name()})'
        if x < .5:
            return f'limit_ratio{self.grouping()} ({self.pick("0.3", "-0.5", "1", "2", "0")}, {self.name()})'
        if x < .7:
            return f'info({self.r.choice(INFO_OF)}{self.pick("", ", {host=~`.+`}", ", {__name__=`build_info`}", ", {release=`6.1`}")})'
        if x < .85:
            return f'double_exponential_smoothing({self.window(0)}, 0.3, 0.7)'
        return f'sort_by_label({self.vector(d - 1)}, "n", "instance")'

    def function(self, d):
        f, of = self.r.choice(MAPS), self.vector(d - 1)
        if f in ('cos', 'sinh', 'exp') and '^' in of:  # they magnify the last digit of a power
            f = 'abs'
        return f'{f}({of})'

    def vector(self, d):
        if d <= 0:
            return self.name() + self.modifier()
        x = self.r.random()
        if x < .25:
            return f'{self.r.choice(self.windows)}({self.window(d - 1)})'
        if x < .3:
            return f'quantile_over_time({self.pick("0.5", "0.9", "-1", "2", "NaN", "0")}, {self.window(d - 1)})'
        if x < .33:
            return f'predict_linear({self.name()}[{self.duration()}], {self.pick("60", "-3600", "0.5")})'
        if x < .43:
            return self.function(d)
        if x < .46:
            return self.pick(f'vector({self.scalar(d - 1)})',
                             f'histogram_quantile({self.scalar(0)}, {self.pick("request_seconds_bucket", "rate(request_seconds_bucket[5m])", "sum by (le, handler) (request_seconds_bucket)", "up")})')
        if x < .49:
            return f'clamp({self.vector(d - 1)}, {self.scalar(0)}, {self.scalar(0)})'
        if x < .53:
            return (f'label_replace({self.vector(d - 1)}, "{self.r.choice(LABELS)}", "$1", "{self.r.choice(LABELS)}", '
                    f'"{self.pick("(.*)", "(.).*", "a(.*)", "", "(.+):.+")}")')
        if x < .68:
            return f'{self.r.choice(FOLDS)}{self.grouping()} ({self.vector(d - 1)})'
        if x < .72:
            return f'quantile{self.grouping()} ({self.pick("0.5", "0.9", "NaN", "-1", "2", "0", "pi()")}, {self.vector(d - 1)})'
        if x < .75:
            return f'count_values{self.grouping()} ("v", {self.pick("round", "")}({self.name()}{self.modifier()}))'
        if x < .78:
            return f'(-{self.vector(d - 1)})'
        if x < .86:
            return self.with_scalar(d)
        if self.modern and x < .9:
            return self.modern_only(d)
        return self.binary(d)

    def query(self):
        return self.vector(self.r.randint(1, 3))
