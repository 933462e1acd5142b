# SPDX-License-Identifier: Apache-2.0
"""Where series come from, the limits on them, and their deletion, over the real doors."""
import time

from harness import wire

DAY = 86400


def write(server, series, ok=True):
    r = server.remote_write(wire.remote_write_body(series))
    assert not ok or r.status_code in (200, 204), r.text
    return r


def series(metric, samples, **labels):
    return wire.series({'__name__': metric, **labels}, [(v, t) for t, v in samples])


def rows(table):
    return {(r['name'], r['value']) if 'value' in r else r['name']: r for r in table['rows']}


def test_counts(start):
    s = start.server()
    now = int(time.time())
    fresh = [((now - 60) * 1000, 1.0), ((now - 30) * 1000, 2.0)]
    write(s, [series('up', fresh, job='a', instance=f'i{i}') for i in range(3)])
    write(s, [series('up', [((now - DAY - 60) * 1000, 1.0)], job='a', instance='i0'),
              series('gone', [((now - DAY - 60) * 1000, 1.0)], job='b', instance='x')])
    write(s, [series('temp', fresh, room=str(i)) for i in range(5)])
    ours = {'match[]': ['{__name__=~"up|gone|temp"}'], 'focus': 'instance'}  # not the server's own metrics
    c = s.json('/api/v1/cardinality', **ours)
    assert c['series'].pop('active') >= 9
    assert c['series'] == {'total': 8, 'before': 2, 'created_1h': 7, 'created_24h': 7}
    assert c['looked_at_ratio'] == 1
    metrics = rows(c['metrics'])
    assert [(r['name'], r['series'], r['before']) for r in c['metrics']['rows']] == [('temp', 5, 0), ('up', 3, 1), ('gone', 0, 1)]
    assert metrics['temp']['share_ratio'] == 0.625
    assert {r['name']: r['values'] for r in c['labels']['rows']} == {'room': 5, 'instance': 3, '__name__': 2, 'job': 1}
    assert rows(c['pairs'])['job', 'a']['series'] == 3
    assert rows(c['instances'])['a', 'i1']['series'] == 1
    assert abs(rows(c['jobs'])['a']['samples_per_s'] - 3 / 30) < 0.04
    assert c['focus']['label'] == 'instance' and c['focus']['total'] == 4
    only = s.json('/api/v1/cardinality', **{'match[]': ['up', 'gone'], 'limit': 1})
    assert only['series']['total'] == 3 and len(only['pairs']['rows']) == 1 and only['pairs']['total'] > 1
    assert s.get('/api/v1/cardinality', limit='0').status_code == 400
    assert s.get('/api/v1/cardinality', start='5', end='1').status_code == 400
    data = s.data
    s.stop()  # now all of it comes from parts
    s = start.server(data=data)
    again = s.json('/api/v1/cardinality', **ours)
    for key in ('metrics', 'labels', 'pairs', 'focus'):
        assert again[key] == c[key], key
    assert {**again['series'], 'active': 0} == {**c['series'], 'active': 0}


def test_limits_are_listed(start):
    s = start.server(args=['--max-series', '7'])
    limits = {x['name']: x for x in s.json('/api/v1/cardinality/limits')['limits']}
    assert limits['series']['max'] == 7
