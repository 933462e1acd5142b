# SPDX-License-Identifier: Apache-2.0
"""Instructions per sample of the paths every sample takes, counted by callgrind: unlike time they hardly depend
on the machine or on what else it does. A budget is about a tenth above what was measured; when a change makes a
path cheaper, lower it."""
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PROBE = os.environ.get('PERF_PROBE', str(ROOT / 'build/release/tests/perf/perf_probe'))

# what: (samples of one repetition, repetitions of the shorter run, instructions per sample at most)
BUDGETS = {
    'append': (256, 128, 800),          # look-up, batch, log record, head, sealing
    'encode-chunk': (64, 200, 128),     # sealing alone
    'decode-chunk': (64, 400, 52),     # reading the head
    'encode-columns': (1440, 10, 280),  # writing a part
    'decode-columns': (1440, 20, 48),  # reading a part
    'decode-newest': (20, 400, 245),   # the last five minutes of a part's chunk
    'rate': (256 * 960, 1, 143),        # sum(rate(x[5m])) at every fourth sample, decoding included
}


def instructions(what, times):
    p = subprocess.run(['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null', PROBE, what, str(times)],
                       capture_output=True, text=True, timeout=120)
    assert p.returncode == 0, p.stderr
    return int(re.search(r'Collected : (\d+)', p.stderr).group(1))


@pytest.mark.parametrize('what', BUDGETS)
def test_budget(what):
    samples, times, budget = BUDGETS[what]
    cost = (instructions(what, 2 * times) - instructions(what, times)) / (samples * times)
    print(f'{what}: {cost:.1f} instructions per sample, budget {budget}')
    assert cost <= budget
    assert cost > budget / 2, 'much cheaper than its budget: lower it'
