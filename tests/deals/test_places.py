"""The places of cards in a column: by closing day until somebody puts one elsewhere, whoever else sees what."""

from datetime import date, timedelta

import pytest
from factories.deals import NOW, deal, moved, pipeline, stage
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from crm.deals import queries, rules, services
from crm.deals.kinds import Step
from crm.deals.models import Deal
from crm.deals.queries import DealFilter
from crm.deals.services import MoveInput
from crm.errors import ConflictError, InvalidInputError

# --- the words between two others ------------------------------------------------------------------------------------

words = st.text(alphabet="01az9", min_size=1, max_size=6).filter(lambda word: not word.endswith("0"))


@given(st.lists(words, min_size=2, max_size=2, unique=True).map(sorted))
def test_there_is_always_a_place_between_two_and_before_and_behind_all(pair):
    low, high = pair
    for one, two in ((low, high), ("", low), (high, None)):
        place = rules.rank_between(one, two)
        assert one < place
        assert two is None or place < two
        assert not place.endswith("0")
        assert len(place) <= max(len(one), len(two or "")) + 1


@given(st.integers(0, 300), words)
@settings(max_examples=40)
def test_many_places_between_two_are_in_order_and_short(count, high):
    found = rules.ranks_between("", high, count)
    assert found == sorted(set(found))
    assert len(found) == count
    assert all(place < high and len(place) <= len(high) + 8 for place in found)


# --- a column --------------------------------------------------------------------------------------------------------


@pytest.fixture
def sales(session, actor):
    return pipeline(session, actor)


@pytest.fixture
def column(session, actor, sales):
    """Four open deals of one stage in the order of their closing days: {title: id}."""
    days = (date(2027, 1, 5), date(2027, 1, 5), date(2027, 2, 1), None)
    return {title: deal(session, actor, title, closes_on=day).id for title, day in zip("abcd", days, strict=True)}


def shown(session, actor, sales, name="First talk"):
    session.expire_all()
    columns = queries.board(session, actor, where=DealFilter(pipeline_id=sales.id), now=NOW)
    return "".join(card.title for column in columns if column.stage.name == name for card in column.cards)


def place(session, actor, deal_id, name="First talk", **beside):
    target = stage(session, actor, name).id
    return services.move(session, actor, deal_id=deal_id, data=MoveInput(stage_id=target, **beside), now=NOW)


def test_cards_stand_by_closing_day_until_one_is_put_elsewhere(session, actor, sales, column):
    assert shown(session, actor, sales) == "abcd"
    services.update(session, actor, deal_id=column["d"], changes={"closes_on": date(2027, 1, 1)}, now=NOW)
    assert shown(session, actor, sales) == "dabc"
    place(session, actor, column["d"], after_id=column["b"])
    assert shown(session, actor, sales) == "abdc"
    place(session, actor, column["c"], before_id=column["a"])
    assert shown(session, actor, sales) == "cabd"
    services.update(session, actor, deal_id=column["c"], changes={"closes_on": None}, now=NOW)
    assert shown(session, actor, sales) == "cabd"
    row = session.get_one(Deal, column["c"])
    assert len(queries.stays(session, actor, deal_id=row.id, now=NOW)) == 1


def test_a_card_enters_another_stage_at_the_place_that_is_asked_for_and_else_by_its_day(session, actor, sales, column):
    for title in "ab":
        moved(session, actor, column[title], "Offer")
    place(session, actor, column["d"], "Offer", before_id=column["b"])
    assert shown(session, actor, sales, "Offer") == "adb"
    moved(session, actor, column["c"], "Offer")
    assert shown(session, actor, sales, "Offer") == "adbc"
    moved(session, actor, column["d"], "First talk")
    moved(session, actor, column["d"], "Offer")
    assert shown(session, actor, sales, "Offer") == "abcd"


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=12))
@settings(max_examples=12)
def test_any_row_of_moves_gives_the_order_that_a_list_would_have(session, actor, sales, column, steps):
    nested = session.begin_nested()
    wanted = list("abcd")
    for who, other, is_after in steps:
        if who == other:
            continue
        mine, beside = "abcd"[who], "abcd"[other]
        place(session, actor, column[mine], **{"after_id" if is_after else "before_id": column[beside]})
        wanted.remove(mine)
        wanted.insert(wanted.index(beside) + is_after, mine)
    assert shown(session, actor, sales) == "".join(wanted)
    nested.rollback()


def test_a_place_stays_short_however_often_the_same_gap_is_used(session, actor, sales, column, monkeypatch):
    monkeypatch.setattr(rules, "LONGEST_RANK", 9)
    monkeypatch.setattr(rules, "ROOMY_RANK", 3)
    versions = {title: session.get_one(Deal, key).version for title, key in column.items()}
    for turn in range(12):
        place(session, actor, column["ab"[turn % 2]], before_id=column["ba"[turn % 2]])
        place(session, actor, column["cd"[turn % 2]], after_id=column["a"])
        assert shown(session, actor, sales) == ("acbd" if turn % 2 == 0 else "badc")
    ranks = session.scalars(select(Deal.placed).where(Deal.id.in_(column.values()), Deal.placed.is_not(None))).all()
    assert all(len(rank) <= 9 for rank in ranks)
    assert session.get_one(Deal, column["a"]).version == versions["a"] + 6


def test_putting_one_card_elsewhere_writes_no_other(session, actor, column):
    written = []

    def note(_connection, _cursor, statement, *_rest):
        written.append(statement.split()[0].lower())

    event.listen(session.get_bind(), "before_cursor_execute", note)
    place(session, actor, column["d"], before_id=column["a"])
    event.remove(session.get_bind(), "before_cursor_execute", note)
    assert written.count("update") == 1
    assert len(written) <= 12


def test_a_place_that_can_not_be_is_refused_beside_its_field(session, actor, column):
    moved(session, actor, column["d"], "Won")
    for name, beside in (
        ("First talk", {"after_id": column["a"]}),
        ("First talk", {"before_id": column["a"]}),
        ("First talk", {"after_id": column["b"], "before_id": column["c"]}),
        ("Won", {"after_id": column["d"]}),
    ):
        with pytest.raises(InvalidInputError) as refusal:
            place(session, actor, column["a"], name, **beside)
        assert set(refusal.value.fields) <= {"after_id", "before_id"}
    moved(session, actor, column["c"], "Offer")
    services.delete(session, actor, deal_id=column["b"], now=NOW)
    for gone in "bc":
        with pytest.raises(ConflictError) as moved_on:
            place(session, actor, column["a"], after_id=column[gone])
        assert moved_on.value.code == "neighbour_moved"


def test_whoever_looked_at_an_older_version_moves_nothing_within_the_column(session, actor, sales, column):
    place(session, actor, column["d"], before_id=column["a"])
    data = MoveInput(stage_id=stage(session, actor, "First talk").id, after_id=column["a"])
    with pytest.raises(services.DealChangedError):
        services.move(session, actor, deal_id=column["d"], data=data, expected_version=1, now=NOW)
    assert shown(session, actor, sales) == "dabc"


def test_a_deal_that_comes_back_stands_by_its_day_again(session, actor, sales, column):
    place(session, actor, column["d"], before_id=column["a"])
    services.delete(session, actor, deal_id=column["d"], now=NOW)
    place(session, actor, column["c"], before_id=column["a"])
    services.restore(session, actor, deal_id=column["d"], now=NOW)
    assert shown(session, actor, sales) == "cabd"


# --- pages -----------------------------------------------------------------------------------------------------------


def test_up_down_and_to_the_top_go_by_plain_forms_past_the_cards_that_are_shown(session, actor, client, sales, column):
    def step(title, word, query=""):
        version = session.get_one(Deal, column[title], populate_existing=True).version
        answer = client.post(
            f"/deals/{column[title]}/move{query}", data={"step": word, "version": str(version), "back": "/deals"}
        )
        assert (answer.status_code, answer.location) == (303, "/deals")
        return shown(session, actor, sales)

    assert step("c", "up") == "acbd"
    assert step("c", "up") == "cabd"
    assert step("c", "up") == "cabd"
    assert step("a", "down") == "cbad"
    assert step("d", "down") == "cbad"
    assert step("d", "top") == "dcba"
    session.get_one(Deal, column["c"]).owner_id = None
    session.flush()
    # Among her own ones the next below d is b.
    assert step("d", "down", "?whose=mine") == "cbda"
    assert client.post(f"/deals/{column['a']}/move", data={"step": "nowhere"}).status_code == 422
    for word in Step:
        assert f'value="{word}"' in client.get("/deals").text


def test_the_next_cards_continue_behind_the_place_of_the_last_one(session, actor, sales, column):
    for number in range(30):
        deal(session, actor, f"x{number}", closes_on=date(2027, 3, 1) + timedelta(number))
    place(session, actor, column["d"], before_id=column["a"])
    where = DealFilter(pipeline_id=sales.id)
    first = queries.board(session, actor, where=where, now=NOW)[0]
    rest = queries.column(session, actor, stage=first.stage, where=where, after=first.next, now=NOW)
    titles = [card.title for card in [*first.cards, *rest.cards]]
    assert titles == ["d", "a", "b", "c", *(f"x{number}" for number in range(30))]
    assert rest.next is None


# --- another pipeline ------------------------------------------------------------------------------------------------


def test_a_deal_changes_its_pipeline_when_somebody_says_so(session, actor, client, sales, column):
    events = pipeline(session, actor, "Events")
    target = stage(session, actor, "Offer", pipeline_id=events.id)
    page = client.get(f"/deals/{column['a']}/move").text
    assert 'label="Events"' in page
    plain = {"stage_id": str(target.id), "version": "1"}
    assert client.post(f"/deals/{column['a']}/move", data=plain).status_code == 422
    assert client.post(f"/deals/{column['a']}/move", data={**plain, "anywhere": "1"}).status_code == 303
    card = queries.card(session, actor, deal_id=column["a"], now=NOW)
    assert (card.pipeline_id, card.stage_name) == (events.id, "Offer")
    page = client.get(f"/deals/{column['a']}").text
    assert "First talk" in page
    assert shown(session, actor, sales) == "bcd"
    services.archive_pipeline(session, actor, pipeline_id=_emptied(session, actor, events), now=NOW)
    data = MoveInput(stage_id=target.id, pipeline_id=events.id)
    with pytest.raises(InvalidInputError, match="put away"):
        services.move(session, actor, deal_id=column["b"], data=data, now=NOW)
    wrong = MoveInput(stage_id=stage(session, actor, "Offer", pipeline_id=sales.id).id, pipeline_id=events.id)
    with pytest.raises(InvalidInputError):
        services.move(session, actor, deal_id=column["b"], data=wrong, now=NOW)


def _emptied(session, actor, events):
    for row in session.scalars(select(Deal).where(Deal.pipeline_id == events.id)):
        services.delete(session, actor, deal_id=row.id, now=NOW)
    return events.id
