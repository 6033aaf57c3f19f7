"""Runs each test of a contract for each case that a test class lists."""

import pytest

# helpers that assert are rewritten only when pytest is told of them
pytest.register_assert_rewrite("tests.adapters.contract")


def pytest_generate_tests(metafunc):
    cases = getattr(metafunc.cls, "cases", None)
    if "case" in metafunc.fixturenames and cases:
        metafunc.parametrize("case", cases.values(), ids=cases.keys())
