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


def limits(server):
    return {x['name']: x for x in server.json('/api/v1/cardinality/limits')['limits']}


def test_limits_refuse_the_offender_only(start):
    s = start.server(args=['--limit-series-per-metric', '150', '--limit-series-per-source', '1000',
                           '--limit-values-per-label', '200'])
    now = int(time.time() * 1000)
    write(s, [series('m', [(now, 1.0)], job='a', user=str(i)) for i in range(150)])
    r = write(s, [series('m', [(now + 1, 2.0)], job='a', user='0'), series('m', [(now, 1.0)], job='a', user='new'),
                  series('n', [(now, 1.0)], job='a')], ok=False)
    assert r.status_code == 422 and 'limit of 150 series reached by metric "m"' in r.text
    assert s.value('m{user="0"}') == 2 and s.value('n') == 1 and s.query('m{user="new"}') == []
    for i in range(120):
        write(s, [series(f'x{i % 50}', [(now, 1.0)], id=str(i))], ok=False)
    body = wire.metrics([wire.gauge('m', [(now * 10**6, 1.5, {'user': 'otlp'})])], {'service.name': 'a'})
    partial = s.otlp('metrics', body)
    assert partial.status_code == 200 and b'limit of 150 series reached by metric "m"' in partial.content
    got = limits(s)
    metric = got['series_per_metric']
    assert (metric['max'], metric['used'], metric['used_by'], metric['refused']) == (150, 150, {'metric': 'm'}, 2)
    assert [o['who'] for o in metric['offenders']] == [{'metric': 'm'}]
    assert metric['offenders'][0]['refused'] == 2 and metric['offenders'][0]['example'].startswith('m{')
    assert got['series_per_source']['refused'] == got['values_per_label']['refused'] == 0
    assert s.metric('bongsu_tsdb_series_refused_total', limit='series_per_metric') == 2
    assert s.metric('bongsu_ingest_rejected_total', reason='series_limit') == 2
    assert 'new series refused' in s.log()


def test_values_of_a_label(start):
    s = start.server(args=['--limit-values-per-label', '50'])
    now = int(time.time() * 1000)
    r = write(s, [series('req', [(now, 1.0)], path=f'/{i}', code='200') for i in range(60)], ok=False)
    assert r.status_code == 422 and 'limit of 50 values reached by label "path" of metric "req"' in r.text
    assert s.value('count(req)') == 50
    got = limits(s)['values_per_label']
    assert got['used_by'] == {'metric': 'req', 'label': 'path'} and got['used'] == 50 and got['refused'] == 10
    assert got['offenders'][0]['who'] == {'metric': 'req', 'label': 'path'}


def admin(server, what, method='post', **params):
    return getattr(server.session, method)(f'{server.url}/api/v1/admin/tsdb/{what}', params=params, timeout=30)


def test_delete(start):
    s = start.server()
    now = int(time.time() * 1000)
    write(s, [series('del', [(now - 2000, 1.0), (now - 1000, 2.0)], room=str(i)) for i in range(4)])
    assert admin(s, 'delete_series').status_code == 400
    assert admin(s, 'delete_series', **{'match[]': '{'}).status_code == 400
    assert admin(s, 'delete_series', **{'match[]': ['del{room="0"}', 'del{room="1"}']}).status_code == 204
    assert admin(s, 'delete_series', 'put', **{'match[]': 'del{room="2"}', 'end': (now - 1500) / 1000}).status_code == 204
    want = {'2': 1, '3': 2}

    def check():
        got = {r['metric']['room']: int(r['value'][1]) for r in s.query('count_over_time(del[1m])', now / 1000)}
        assert got == want
        assert s.json('/api/v1/cardinality', **{'match[]': 'del'})['series']['total'] == 2
    check()
    s.kill()
    s = start.server(data=s.data)
    check()
    assert admin(s, 'clean_tombstones').status_code == 204
    check()
    assert s.json('/api/v1/label/room/values')['data'] == ['2', '3']
    assert len(s.json('/api/v1/series', **{'match[]': 'del'})['data']) == 2
    assert not (s.data / 'metrics/tombstones').exists()


def test_delete_needs_the_admin(start):
    s = start.server(auth=True)
    assert admin(s, 'delete_series', **{'match[]': 'up'}).status_code == 401
    assert admin(s, 'clean_tombstones').status_code == 401
