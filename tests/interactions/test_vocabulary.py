"""A workspace's own words: kinds, labels, and rules that say what a text means."""

from datetime import timedelta

import pytest
from conftest import House
from factories.contacts import contact, interaction
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from crm.accounts.models import Notification
from crm.contacts.inputs import parsed
from crm.db import enter_workspace, new_id
from crm.errors import ForbiddenError, InvalidInputError
from crm.interactions import queries, services, spikes
from crm.interactions.keywords import EXAMPLES, Rule, judge
from crm.interactions.kinds import Sentiment, StandardLabel
from crm.interactions.services import KeywordInput, KindInput, LabelInput


def rule(phrase, mood="negative", label_id=None):
    return Rule(phrase, Sentiment(mood) if mood else None, label_id)


@pytest.mark.parametrize(
    ("text", "phrase", "met"),
    [
        ("Sono DELUSÀ da voi", "delusa", True),
        ("deluso.", "deluso", True),
        ("disilluso", "deluso", False),
        ("delusometro", "deluso", False),
        ("Il coso  non\nfunziona!", "non funziona", True),
        ("non ... funziona", "non funziona", False),
        ("un'esperienza pessima", "esperienza", True),
        ("indeluso deluso", "deluso", True),
        ("", "deluso", False),
    ],
)
def test_a_phrase_is_met_as_whole_words_in_any_case_and_accent(text, phrase, met):
    assert (judge(text, [rule(phrase)]).sentiment is Sentiment.NEGATIVE) is met


@given(st.text(max_size=60), st.text(alphabet="abcàé ", min_size=1, max_size=12))
def test_a_phrase_that_stands_alone_in_a_text_is_always_met(text, phrase):
    from crm.filters.text import normalise

    norm = normalise(phrase)
    said = judge(f"{text} . {phrase.upper()} . {text}", [rule(norm)])
    assert (said.sentiment is Sentiment.NEGATIVE) is bool(norm)


def test_the_worst_of_what_rules_say_counts_and_labels_add_up():
    first, second = new_id(), new_id()
    known = [rule("grazie", "positive", first), rule("deluso", "negative", second), rule("ok", None, first)]
    said = judge("Grazie, ma sono deluso, ok?", known)
    assert (said.sentiment, set(said.label_ids)) == (Sentiment.NEGATIVE, {first, second})


def test_the_examples_are_whole_phrases_in_both_languages():
    phrases = {phrase for phrase, _mood, _label in EXAMPLES}
    assert {"deluso", "disappointed"} <= phrases
    assert len(phrases) == len(EXAMPLES)


def test_rules_speak_about_what_others_write_and_never_over_a_person(session, actor, now):
    services.add_examples(session, actor, names={}, now=now)
    ann = contact(session, actor)
    told = interaction(session, actor, ann.id, "comment", channel="instagram", body="Sono delusa, voglio un rimborso")
    chosen = interaction(session, actor, ann.id, "comment", body="delusa? mai!", sentiment=Sentiment.POSITIVE)
    ours = interaction(session, actor, ann.id, "note", body="Era delusa")
    automatic = interaction(session, actor, ann.id, "message.received", body="refund", is_automatic=True)
    assert [row.sentiment for row in (told, chosen, ours, automatic)] == ["negative", "positive", None, None]
    assert [label.key for label in queries.entry(session, actor, interaction_id=told.id).labels] == ["complaint"]
    services.set_sentiment(session, actor, interaction_id=told.id, sentiment=None, now=now)
    assert queries.entry(session, actor, interaction_id=told.id).sentiment is None


def test_the_same_phrase_again_says_the_new_thing_and_a_removed_one_nothing(session, actor, now):
    label = services.standard_label(session, actor, kind=StandardLabel.FEEDBACK, name="Feedback", now=now)
    services.add_rule(session, actor, data=KeywordInput(phrase="Però", sentiment=Sentiment.NEGATIVE), now=now)
    row = services.add_rule(session, actor, data=KeywordInput(phrase="però", label_id=label.id), now=now)
    assert [(one.phrase, one.sentiment) for one, _label in queries.keyword_rows(session, actor)] == [("però", None)]
    services.delete_rule(session, actor, rule_id=row.id)
    assert queries.keyword_rules(session) == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"phrase": "!!!", "sentiment": "negative"}, "phrase"),
        ({"phrase": "però"}, "sentiment"),
        ({"phrase": "x" * 81, "sentiment": "negative"}, "phrase"),
    ],
)
def test_a_rule_that_can_not_be_is_refused(session, actor, now, given, field):
    with pytest.raises(InvalidInputError) as refused:
        services.add_rule(session, actor, data=parsed(KeywordInput, given), now=now)
    assert list(refused.value.fields) == [field]


def test_an_own_kind_is_logged_shown_renamed_and_archived(session, actor, now):
    fair = services.add_kind(session, actor, data=KindInput(name="Fiera à Rimini", icon="flag"), now=now)
    assert fair.key == "own.fiera_a_rimini"
    ann = contact(session, actor)
    row = interaction(session, actor, ann.id, fair.key, body="Stand 12")
    services.change_kind(session, actor, key=fair.key, data=KindInput(name="Fair", icon="star"))
    shown = queries.entry(session, actor, interaction_id=row.id)
    assert (shown.kind, shown.own_name, shown.own_icon) == (fair.key, "Fair", "star")
    services.archive_kind(session, actor, key=fair.key, is_archived=True, now=now)
    assert queries.own_kinds(session, actor) == []
    services.archive_kind(session, actor, key=fair.key, is_archived=False, now=now)
    assert [kind.key for kind in queries.own_kinds(session, actor)] == [fair.key]


def test_what_can_not_be_a_kind_or_label_is_refused(session, actor, now):
    services.add_kind(session, actor, data=KindInput(name="Fair"), now=now)
    services.add_label(session, actor, data=LabelInput(name="Idea"), now=now)
    with pytest.raises(InvalidInputError):
        services.add_kind(session, actor, data=KindInput(name="FAÍR"), now=now)
    with pytest.raises(InvalidInputError):
        services.add_kind(session, actor, data=KindInput(name="Other", icon="../x"), now=now)
    with pytest.raises(InvalidInputError):
        services.add_label(session, actor, data=LabelInput(name="idea"), now=now)


def test_labels_are_set_filtered_and_stay_when_archived(session, actor, now):
    ann = contact(session, actor)
    idea = services.add_label(session, actor, data=LabelInput(name="Idea"), now=now)
    row, _other = interaction(session, actor, ann.id), interaction(session, actor, ann.id)
    services.set_labels(session, actor, interaction_id=row.id, label_ids=[idea.id])
    where = queries.TimelineFilter(label_id=idea.id)
    assert [one.id for one in queries.timeline(session, actor, contact_id=ann.id, where=where).items] == [row.id]
    services.archive_label(session, actor, label_id=idea.id, is_archived=True, now=now)
    assert [label.name for label in queries.entry(session, actor, interaction_id=row.id).labels] == ["Idea"]
    services.set_labels(session, actor, interaction_id=row.id, label_ids=[])
    assert queries.entry(session, actor, interaction_id=row.id).labels == ()


def test_labels_of_another_workspace_are_not_found(session, actor, other_actor, now):
    enter_workspace(session, other_actor.workspace_id)
    theirs = services.add_label(session, other_actor, data=LabelInput(name="Theirs"), now=now)
    enter_workspace(session, actor.workspace_id)
    row = interaction(session, actor, contact(session, actor).id)
    with pytest.raises(queries.LabelNotFoundError):
        services.set_labels(session, actor, interaction_id=row.id, label_ids=[theirs.id])


def test_who_may_only_look_changes_no_words(session, house: House, now):
    from dataclasses import replace

    from crm.accounts.kinds import Role

    viewer = replace(house.actor, role=Role.VIEWER)
    for call in (
        lambda: services.add_kind(session, viewer, data=KindInput(name="X"), now=now),
        lambda: services.add_label(session, viewer, data=LabelInput(name="X"), now=now),
        lambda: services.add_examples(session, viewer, names={}, now=now),
    ):
        with pytest.raises(ForbiddenError):
            call()


def complain(session, actor, person, at, now, count=1):
    for _ in range(count):
        interaction(session, actor, person.id, "comment", body="x", sentiment="negative", happened_at=at, now=now)


def bells(session):
    return session.scalar(select(func.count()).where(Notification.kind == "negatives.spike"))


@pytest.mark.parametrize(
    ("today", "before", "is_spike"),
    [
        (4, [], False),
        (5, [], True),
        (5, [2] * 28, True),
        (9, [2, 8] * 14, False),
        (14, [2, 8] * 14, True),
    ],
)
def test_a_spike_lies_three_deviations_above_the_mean_and_never_below_the_floor(today, before, is_spike):
    assert spikes.compare(today, before).is_spike is is_spike


def test_a_spike_rings_once_for_who_runs_and_tends_the_workspace(session, actor, now):
    ann = contact(session, actor)
    complain(session, actor, ann, now, now, count=4)
    assert bells(session) == 0
    complain(session, actor, ann, now, now, count=3)
    assert bells(session) == 1
    tomorrow = now + timedelta(days=1)
    complain(session, actor, ann, tomorrow, tomorrow, count=9)
    assert bells(session) == 1


def test_old_complaints_that_are_brought_in_ring_nothing(session, actor, now):
    complain(session, actor, contact(session, actor), now - timedelta(days=400), now, count=9)
    assert bells(session) == 0


@pytest.mark.parametrize(
    ("kind", "given", "ends"),
    [
        ("message.sent", {"channel": "email"}, True),
        ("call", {}, True),
        ("meeting", {}, True),
        ("call", {"direction": "inbound"}, False),
        ("message.sent", {"channel": "email", "is_automatic": True}, False),
        ("call", {"visibility": "private"}, False),
        ("note", {}, False),
    ],
)
def test_a_complaint_waits_until_somebody_answers_on_any_channel(session, actor, now, kind, given, ends):
    ann = contact(session, actor)
    bad = interaction(session, actor, ann.id, "comment", channel="instagram", sentiment="negative",
                      happened_at=now - timedelta(hours=1))  # fmt: skip
    assert list(queries.open_complaints(session, actor, contact_ids=[ann.id])) == [ann.id]
    interaction(session, actor, ann.id, kind, **given)
    assert (queries.open_complaints(session, actor, contact_ids=[ann.id]) == {}) is ends
    assert (queries.entry(session, actor, interaction_id=bad.id).answered_at == now) is ends


def test_what_was_sent_before_a_complaint_does_not_answer_it(session, actor, now):
    ann = contact(session, actor)
    interaction(session, actor, ann.id, "comment", sentiment="negative", happened_at=now - timedelta(hours=1))
    interaction(session, actor, ann.id, "call", happened_at=now - timedelta(hours=2))
    assert queries.open_complaints(session, actor, contact_ids=[ann.id])


def test_an_old_complaint_brought_in_later_was_answered_long_ago(session, actor, now):
    ann = contact(session, actor)
    interaction(session, actor, ann.id, "call", happened_at=now - timedelta(days=1))
    interaction(session, actor, ann.id, "comment", sentiment="negative", happened_at=now - timedelta(days=90))
    assert queries.open_complaints(session, actor, contact_ids=[ann.id]) == {}
