# SPDX-License-Identifier: Apache-2.0
"""The configuration reference is made from the programs' own tables: a change of a setting changes its page."""
import subprocess
from pathlib import Path

import pytest

from harness.server import AGENT, SERVER

DOCS = Path(__file__).resolve().parents[2] / 'docs'


@pytest.mark.parametrize('program,page', [(SERVER, 'configuration.md'), (AGENT, 'agent-configuration.md')])
def test_configuration_page_is_current(program, page):
    made = subprocess.run([program, 'docs'], capture_output=True, text=True, timeout=30, check=True).stdout
    assert (DOCS / page).read_text() == made, f'write it again: {Path(program).name} docs > docs/{page}'
