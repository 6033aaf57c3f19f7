"""What a table becomes does not depend on the tables encoded before it."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snapshot.model import Leaf, Role, Variable, View
from snapshot.repository.encoder import Encoder
from snapshot.repository.entry import StoredLeaf
from snapshot.repository.table import InPack, InRow, Piece, Table

SOURCES = st.sampled_from("ab")
DIGESTS = st.integers(0, 3).map(lambda number: bytes([number] * 16))
SMALL = st.integers(0, 1)
ROWS = st.builds(InRow, SOURCES.map("runs/r/variables/{}/<f4-2".format), SMALL, SMALL)
PACKS = st.builds(InPack, SOURCES.map("runs/r/packs/{}".format), SMALL, SMALL)
TEXT = st.sampled_from(["w", "W", "\ud800", 'a"b', "层"])
PIECES = st.dictionaries(TEXT, st.builds(Piece, DIGESTS, PACKS), max_size=3)


@st.composite
def leaves(draw):
    """A leaf, and two ways in which its blocks may lie; numbers are repeated, with other contents too."""
    blocks = draw(st.lists(DIGESTS, max_size=2).map(tuple))
    view = None if blocks else draw(st.none() | st.builds(View, SMALL, SMALL, st.just((4,))))
    meta = draw(st.sampled_from([(), (("device", "cpu"), ("dims", (1, 2)))]))
    leaf = Leaf(
        "numpy.ndarray", "<f4", draw(st.sampled_from([(2,), (2, 3)])), draw(st.sampled_from("CF")), blocks, meta, view
    )
    places = st.tuples(*(ROWS | PACKS for _ in blocks))
    aliases = draw(st.sampled_from([(), ("v",)]))
    return StoredLeaf(draw(SMALL), draw(TEXT), draw(st.sampled_from(Role)), "float32", leaf, aliases), [
        draw(places),
        draw(places),
    ]


@st.composite
def tables(draw):
    """Some tables that have leaves and pieces in common, as those of a run in which little changes."""
    known = draw(st.lists(leaves(), min_size=1, max_size=4))
    return draw(st.lists(table_of(known), min_size=2, max_size=6))


@st.composite
def table_of(draw, known):
    found = draw(st.lists(st.sampled_from(known), max_size=3, unique_by=lambda one: one[0].number))
    plain = tuple(Variable(path, Role.VALUE, (), "int", 8, b"1" * 16) for path in draw(st.sets(TEXT, max_size=2)))
    return Table(
        leaves=tuple(leaf for leaf, _ in found),
        places=tuple(draw(st.sampled_from(ways)) for _, ways in found),
        records=draw(PIECES),
        pickles=draw(PIECES),
        names=draw(st.dictionaries(TEXT, st.just("int"), max_size=2)),
        report={},
        plain=plain,
        signatures=draw(st.dictionaries(TEXT, st.just("key:hmac"), max_size=1)),
    )


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(tables())
def test_a_table_is_the_same_bytes_whatever_was_encoded_before_it_and_reads_back_as_itself(some):
    encoder = Encoder()
    for table in some:
        encoded = encoder.encode(table)
        assert encoded == Encoder().encode(table)
        assert Table.decode(encoded) == table
