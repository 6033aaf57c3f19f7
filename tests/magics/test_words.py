"""How a line is cut into words, and a word into two sides."""

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.error import UsageError

from snapshot.magics.words import pair, quote, split, without_comment


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("  store   before ", ["store", "before"]),
        ('--note "two words"', ["--note", "two words"]),
        ("--note='two words'", ["--note=two words"]),
        ("--note don't and won't", ["--note", "don't", "and", "won't"]),
        ("params['w'] lst[3]", ["params['w']", "lst[3]"]),
        ('params["a b"].c x', ['params["a b"].c', "x"]),
        (r'"C:\new dir\x.zarr"', [r"C:\new dir\x.zarr"]),
        (r'"say \"hi\""', ['say "hi"']),
        ("raw[0-9]* model.*", ["raw[0-9]*", "model.*"]),
        ("#12 @1000 latest~2", ["#12", "@1000", "latest~2"]),
        ("'' x", ["", "x"]),
        ("before   # the good one, isn't it", ["before"]),
        ("before #12 #", ["before", "#12"]),
        ("before # 2 layers", ["before"]),
        ("list;", ["list"]),
        ("a ; ;  # end", ["a"]),
        ("a; b;c 'd;'", ["a;", "b;c", "d;"]),
        ("--note 'x';", ["--note", "x"]),
    ],
)
def test_words_are_what_a_reader_would_say(line, words):
    assert split(line) == words


@given(st.lists(st.text(min_size=1)))
def test_any_text_survives_being_quoted(texts):
    assert split(" ".join(quote(text) for text in texts)) == texts


def test_a_quote_left_open_is_an_error_unless_one_is_still_typing():
    with pytest.raises(UsageError, match="not closed"):
        split("'my la")
    assert split("'my la", unfinished=True) == ["my la"]


@pytest.mark.parametrize("line", ["# 1", "before #  12~1 ;", "# 4f2a.12", "# 1 # 2", "# 3 --only W"])
def test_an_id_torn_from_its_sign_is_an_error_unless_one_is_still_typing(line):
    with pytest.raises(UsageError, match="no blank in it: #"):
        split(line)
    assert split(line, unfinished=True) in ([], ["before"])


@pytest.mark.parametrize(
    ("line", "command"), [("a b # c", "a b "), ("'# a' #", "'# a' #"), ("'# a' # b", "'# a' "), ("#1 #2", "#1 #2")]
)
def test_a_line_without_its_comment_keeps_everything_else(line, command):
    assert without_comment(line) == command


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ("W=V", ("W", "V")),
        ("W = a == b", ("W", "a == b")),
        ("params['a=b']=x", ("params['a=b']", "x")),
        ('"my net/W"=[1, 2]', ("my net/W", "[1, 2]")),
        ("lst[3].w=f(x=1)", ("lst[3].w", "f(x=1)")),
    ],
)
def test_the_first_equals_sign_outside_brackets_parts_the_sides(text, sides):
    assert pair(text) == sides


@pytest.mark.parametrize("text", ["W", "W=", "=V", "", "a" * 5000, "[" * 500])
def test_a_missing_side_is_named(text):
    with pytest.raises(argparse.ArgumentTypeError, match="LEFT=RIGHT"):
        pair(text)
