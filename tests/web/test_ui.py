"""The building blocks of pages: what a page author may rely on."""

import re
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask, render_template_string
from wtforms import BooleanField, Form, RadioField, SelectField, StringField
from wtforms.validators import DataRequired, Length

from crm.web import vite

TEMPLATES = Path(__file__).parent.parent.parent / "templates"
IDENTITY = UUID("01990000-0000-7000-8000-000000000001")


class Person(Form):
    name = StringField("Name", [DataRequired("Say who it is."), Length(max=80)], description="As on an envelope")
    tier = RadioField("Tier", choices=[("g", "Gold"), ("s", "Silver")], default="s")
    kind = SelectField("Kind", choices=[("a", "Customer"), ("b", "Prospect")])
    agrees = BooleanField("Agrees")


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    """A bare application with the macros, English words and an empty bundle."""
    app = Flask("ui", template_folder=str(TEMPLATES))
    (tmp_path / ".vite").mkdir()
    (tmp_path / ".vite" / "manifest.json").write_text('{"_icons-AAAAAAAA.svg": {"file": "icons-AAAAAAAA.svg"}}')
    vite.init_app(app, tmp_path)
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_null_translations(newstyle=True)  # type: ignore[attr-defined]
    app.jinja_env.globals["csrf_token"] = lambda: "token"
    app.jinja_env.filters.update(number=lambda n: f"{n:,}", relative=str, datetime=str)
    return app


def render(app: Flask, source: str, **values: object) -> str:
    """Render `source` with the macros as `ui`."""
    with app.test_request_context():
        return render_template_string('{% import "_ui/all.html" as ui %}' + source, **values)


def test_every_macro_is_reached_through_the_one_import() -> None:
    everything = (TEMPLATES / "_ui" / "all.html").read_text(encoding="utf-8")
    reached = 0
    for part in re.findall(r'import "_ui/(\w+)\.html"', everything):
        source = (TEMPLATES / "_ui" / f"{part}.html").read_text(encoding="utf-8")
        for name in re.findall(r"{%-? macro ([a-z]\w*)\(", source):
            assert f"= {part}_.{name} %}}" in everything, f"{part}.{name}"
            reached += 1
    assert reached > 20


def test_every_macro_stands_in_the_page_for_authors() -> None:
    page = (TEMPLATES.parent / "docs" / "ui.md").read_text(encoding="utf-8")
    everything = (TEMPLATES / "_ui" / "all.html").read_text(encoding="utf-8")
    names = re.findall(r"{% set (\w+) =", everything)
    assert len(names) > 20
    for name in names:
        assert re.search(rf"\b{name}\b", page), name


def test_every_macro_says_its_arguments_in_a_comment_before_it() -> None:
    said = 0
    for file in sorted((TEMPLATES / "_ui").glob("*.html")):
        source = file.read_text(encoding="utf-8")
        for found in re.finditer(r"(.*)\n{%-? macro (\w+)\(", source):
            assert found[1].startswith(f"{{# {found[2]}"), f"{file.name}: {found[2]}"
            said += 1
    assert said > 20


def test_a_field_ties_its_help_and_its_error_to_the_control(app: Flask) -> None:
    form = Person(data={"name": ""})
    form.validate()
    html = render(app, "{{ ui.field(form.name) }}", form=form)
    assert 'aria-describedby="name-help name-error"' in html
    assert 'aria-invalid="true"' in html
    assert '<p class="fd-field__help" id="name-help">As on an envelope</p>' in html
    assert re.search(r'id="name-error">.*Say who it is\.', html)


def test_a_field_without_help_or_error_describes_nothing(app: Flask) -> None:
    html = render(app, "{{ ui.field(form.kind) }}", form=Person())
    assert "aria-describedby" not in html
    assert "aria-invalid" not in html
    assert '<label class="fd-field__label" for="kind">Kind</label>' in html


def test_a_counted_field_carries_the_limit_of_its_validator(app: Flask) -> None:
    html = render(app, "{{ ui.field(form.name, count=true) }}", form=Person())
    assert 'data-count="80"' in html
    assert 'data-count-for="name"' in html


def test_choices_are_a_group_with_a_legend_and_the_chosen_one_checked(app: Flask) -> None:
    html = render(app, '{{ ui.field(form.tier, as_="segmented") }}', form=Person())
    assert "<fieldset" in html
    assert ">Tier</legend>" in html
    assert re.findall(r'value="(\w)" checked', html) == ["s"]


def test_a_switch_is_announced_as_one(app: Flask) -> None:
    assert 'role="switch"' in render(app, '{{ ui.field(form.agrees, as_="switch") }}', form=Person())


def test_a_post_form_carries_its_token_and_a_get_form_does_not(app: Flask) -> None:
    posting = render(app, '{% call ui.form("/x") %}{% endcall %}')
    asking = render(app, '{% call ui.form("/x", method="get") %}{% endcall %}')
    assert '<input type="hidden" name="csrf_token" value="token">' in posting
    assert "csrf_token" not in asking


def test_a_one_button_form_posts_with_its_token_and_fields(app: Flask) -> None:
    html = render(app, '{{ ui.post_button("/x", "Pause", {"id": 7}, key="p") }}')
    assert 'method="post" action="/x"' in html
    assert 'name="csrf_token" value="token"' in html
    assert 'name="id" value="7"' in html
    assert 'data-hotkey="p"' in html


def test_names_from_outside_are_escaped_everywhere(app: Flask) -> None:
    evil = '"><script>alert(1)</script>'
    html = render(
        app,
        "{{ ui.person_link(evil, id, '/x', evil, evil) }}{{ ui.chip(evil, 'mail', 'ok', evil) }}{{ ui.tag(evil) }}"
        "{{ ui.toast(evil, undo_url=evil) }}{{ ui.tl_event(evil, evil, 'mail', who=evil) }}{{ ui.code(evil) }}"
        "{{ ui.notice('bad', evil, evil) }}{{ ui.copy_button(evil) }}{{ ui.empty_state(evil, evil) }}"
        "{{ ui.bubble(evil, who=evil, name=evil, id=id) }}{{ ui.stat(evil, evil, evil) }}",
        evil=evil,
        id=IDENTITY,
    )
    assert "<script" not in html


def test_a_chart_keeps_its_figures_from_closing_the_script(app: Flask) -> None:
    html = render(
        app,
        "{{ ui.chart('c', 'line', ['</script><b>'], [{'label': 'Points', 'values': [5]}], 'Points') }}",
    )
    assert "</script><b>" not in html
    assert re.search(r'<td class="fd-num">5</td>', html)


def test_a_button_that_cannot_be_pressed_says_why(app: Flask) -> None:
    html = render(app, '{{ ui.button("Send", why_not="No consent yet") }}')
    assert "disabled" in html
    assert ">No consent yet</span>" in html


def test_bars_stay_between_nothing_and_full(app: Flask) -> None:
    html = render(app, "{{ ui.meter(150) }}{{ ui.meter(-5) }}{{ ui.meter(1, 0) }}{{ ui.meter(1, 4) }}")
    assert re.findall(r'width="([\d.]+)%"', html) == ["100.0", "0.0", "0.0", "25.0"]


def test_the_stacked_bar_places_each_state_where_the_last_one_ends(app: Flask) -> None:
    html = render(
        app,
        "{{ ui.bar_states([{'label': 'Sent', 'count': 3, 'tone': 'accent'}, {'label': 'None', 'count': 0},"
        " {'label': 'Held', 'count': 1, 'tone': 'amber'}], 4, 'States') }}",
    )
    assert re.findall(r'x="([\d.]+)%" width="([\d.]+)%"', html) == [("0", "75.0"), ("75.0", "25.0")]
    assert html.count("fd-states__item") == 3


def test_the_shell_and_the_building_blocks_hold_to_the_content_policy() -> None:
    forbidden = re.compile(r"""\sstyle=|\son[a-z]+=["']|hx-on|\bjs:|hx-trigger="[^"]*\[""")
    for file in sorted(TEMPLATES.glob("*.html")) + sorted((TEMPLATES / "_ui").glob("*.html")):
        assert not forbidden.search(file.read_text(encoding="utf-8")), file.name


def test_every_icon_that_a_template_names_is_drawn() -> None:
    sprite = vite.DIST / vite.read_bundle().files["icons.svg"]
    drawn = set(re.findall(r'<symbol id="([a-z0-9-]+)"', sprite.read_text(encoding="utf-8")))
    naming = re.compile(
        r"""\b(?:icon|glyph)\(["']([a-z0-9-]+)["']|\bicon=["']([a-z0-9-]+)["']|["']icon["']: ["']([a-z0-9-]+)["']"""
    )
    missing = {
        f"{file.relative_to(TEMPLATES)}: {name}"
        for file in TEMPLATES.rglob("*.html")
        for found in naming.findall(file.read_text(encoding="utf-8"))
        if (name := next(filter(None, found))) not in drawn
    }
    assert not missing
