"""A dict or set finds its members again after a restore that changed what they hash to."""

from collections import Counter, OrderedDict, defaultdict

import pytest

from snapshot.errors import RestoreFailed
from snapshot.workspace import Workspace


class Member:
    def __init__(self, value):
        self.value = value

    def __hash__(self):
        return hash(self.value)

    def __eq__(self, other):
        return type(other) is Member and self.value == other.value


class Outer(Member):
    def __hash__(self):
        return hash(self.value.value)


class OwnSet(set):
    pass


class OwnDict(dict):
    pass


def pairs(members):
    return [(member, index) for index, member in enumerate(members)]


CONTAINERS = {
    "set": set,
    "own set": OwnSet,
    "dict": lambda members: dict(pairs(members)),
    "own dict": lambda members: OwnDict(pairs(members)),
    "OrderedDict": lambda members: OrderedDict(pairs(members)),
    "defaultdict": lambda members: defaultdict(list, pairs(members)),
    "Counter": lambda members: Counter(dict(pairs(members))),
    "tuples in a set": lambda members: {(member, 1) for member in members},
}


def fill(container, filled):
    container.clear()
    container.update(filled)


def finds(container, member):
    return any(key in container for key in (member, (member, 1)))


@pytest.fixture(params=CONTAINERS)
def make(request):
    return CONTAINERS[request.param]


@pytest.mark.parametrize("again", [False, True], ids=["left alone", "filled again since"])
@pytest.mark.parametrize("cls", [Member, Outer])
def test_members_are_found_after_a_restore_and_after_its_undo(make, again, cls):
    inner = Member(1)
    member = inner if cls is Member else Outer(inner)
    container = make([member, Member("other")])
    stored = list(container.items()) if isinstance(container, dict) else None
    workspace = Workspace({"container": container, "inner": inner})
    workspace.store("before")
    inner.value = 2
    if again:
        fill(container, make([member, Member("other")]))
    workspace.restore("before")
    assert finds(container, member)
    assert len(container) == 2
    assert stored is None or list(container.items()) == stored
    if again:
        workspace.undo()
        assert inner.value == 2
        assert finds(container, member)


def test_a_member_that_cannot_be_hashed_any_more_costs_no_contents():
    member = Member(1)
    container, numbers = {member: 1}, [1]
    workspace = Workspace({"container": container, "member": member, "numbers": numbers})
    workspace.store("before")
    member.value = 2
    numbers.append(2)
    hashed, Member.__hash__ = Member.__hash__, lambda self: 1 / 0
    try:
        with pytest.raises(RestoreFailed, match="everything is as it was"):
            workspace.restore("before", code="keep")
    finally:
        Member.__hash__ = hashed
    assert (member.value, numbers, list(container.values())) == (2, [1, 2], [1])


def test_a_restore_that_fails_leaves_members_that_are_found(monkeypatch):
    member = Member(1)
    container, broken = {member}, {"a": 1}
    names = {"container": container, "member": member, "broken": broken}
    workspace = Workspace(names)
    workspace.store("before")
    container.discard(member)
    member.value = 2
    container.add(member)
    names["name"] = 1

    def fail(*args):
        raise MemoryError

    monkeypatch.setattr("snapshot.apply.Application._bind_names", fail)
    with pytest.raises(RestoreFailed):
        workspace.restore("before")
    assert member.value == 2
    assert member in container
