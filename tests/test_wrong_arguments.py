"""An argument of a wrong kind is refused with what was found, what was expected and what to do."""

import numpy as np
import pytest

import snapshot
from snapshot import Workspace
from snapshot.errors import RepositoryError

KEYS = {"access_key_id": "a", "secret_access_key": "b", "region": "us-east-1"}
HOME = "s3://bucket/run.zarr"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: snapshot.open(3), r"path or an address.*not 3 \(int\).*give the folder"),
        (lambda: snapshot.open(None), r"not None \(NoneType\)"),
        (lambda: snapshot.open(b"run.zarr"), r"not b'run.zarr' \(bytes\)"),
        (lambda: Workspace({}, 3), r"path or an address.*not 3 \(int\)"),
        (lambda: Workspace({}).open(3), r"path or an address.*not 3 \(int\)"),
        (lambda: Workspace(3), r"namespace.*dict.*not 3 \(int\).*globals\(\)"),
        (lambda: Workspace(np.zeros((500, 500))), r"(?s)namespace.{,120} \(ndarray\)"),
        (lambda: Workspace({}).assign(3), r"values by path.*not 3 \(int\)"),
        (lambda: Workspace({}).assign([("a", 1)]), r"values by path.*\(list\)"),
        (lambda: Workspace({}).assign({3: 4}), r"values by path.*3 \(int\) is no path"),
        (lambda: Workspace({}, "run.zarr", storage_options=3), r"storage_options is 3 \(int\), not a dict: write"),
        (lambda: snapshot.open(HOME, storage_options=3), r"storage_options is 3 \(int\), not a dict: write"),
        (
            lambda: snapshot.open(HOME, storage_options={3: "a"}),
            r"storage_options is 3 \(int\), not text: write",
        ),
    ],
)
def test_an_argument_of_a_wrong_type_is_named(wrong, words):
    with pytest.raises(TypeError, match=words):
        wrong()


@pytest.mark.parametrize("endpoint", ["127.0.0.1:5000", "localhost", "http://", "ftp://x", " http://x", "", 5000])
@pytest.mark.parametrize("where", ["option", "environment"])
def test_an_endpoint_that_is_no_url_is_refused_before_anything_is_asked_of_it(monkeypatch, endpoint, where):
    pytest.importorskip("obstore")
    options = dict(KEYS)
    if where == "option":
        options["endpoint"] = endpoint
    elif not isinstance(endpoint, str) or not endpoint:
        pytest.skip("no value for a variable of the environment")
    else:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(RepositoryError, match=r"is no URL of a server. Write it with http:// or https://") as refused:
        snapshot.open(HOME, storage_options=options)
    assert repr(endpoint) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "storage_options['endpoint']" in str(refused.value) or "AWS_ENDPOINT_URL" in str(refused.value)
