"""What commands show, as text and as HTML."""

from datetime import UTC, datetime, timedelta

from snapshot.magics.listing import MOST_ROWS, Table
from snapshot.wording import clock, enumerated, one_line, printable

HOSTILE = "<script>alert('x')</script> & \"q\" \x1b[31m\n😀"


def example(*rows: tuple[str, ...]) -> Table:
    return Table(f"title {HOSTILE}", ("name", "size"), rows, frozenset({"size"}), (f"note {HOSTILE}",))


def test_every_cell_is_text_in_html():
    html = example((HOSTILE, "1"))._repr_html_()
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 3
    assert "😀" in html


def test_a_row_is_one_line_of_text_whatever_its_name():
    text = repr(example((HOSTILE, "1"), ("W", "20")))
    assert len(text.splitlines()) == 5
    assert "\x1b" not in text


def test_numbers_are_aligned_to_the_right():
    assert repr(Table("t", ("name", "size"), [("W", "1"), ("long", "100")], frozenset({"size"}))).splitlines() == [
        "t",
        "  name  size",
        "  W        1",
        "  long   100",
    ]


def test_a_table_without_rows_shows_no_headings():
    assert "name" not in repr(example())
    assert "<table>" not in example()._repr_html_()


def test_what_is_cut_off_is_counted():
    many = Table("t", ("name",), [(str(n),) for n in range(MOST_ROWS + 3)])
    assert repr(many).endswith("… and 3 more")
    assert len(repr(many).splitlines()) == MOST_ROWS + 3
    assert "… and 3 more" in many._repr_html_()


def test_a_variable_with_markup_for_a_name_is_shown_as_text(shown):
    html = shown("globals()['<b>x</b>'] = W + 1", "%snapshot store before", "%snapshot show before")._repr_html_()
    assert "&lt;b&gt;x&lt;/b&gt;" in html
    assert "<b>x</b>" not in html


def test_a_time_shows_its_date_unless_it_is_today():
    moment = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
    assert clock(moment, moment.astimezone()) == moment.astimezone().strftime("%H:%M:%S")
    assert clock(moment, moment.astimezone() + timedelta(days=2)).startswith("2026-03-01 ")


def test_long_lists_are_cut_with_a_count():
    assert enumerated(list("abcdefgh"), 6) == "a, b, c, d, e, f and 2 more"
    assert enumerated(["a"]) == "a"


def test_messages_lose_their_line_breaks_and_joined_emoji_stay_whole():
    assert one_line("a\n  b\n\nc") == "a b c"
    assert printable("👩‍💻") == "👩‍💻"
