"""What the documents say of the house is so: its rights, its doors, its events, its arrows and its commands."""

import re
import tomllib
from pathlib import Path

import click
import pytest

from crm import models, wiring
from crm.accounts import guards
from crm.accounts.kinds import Permission
from crm.accounts.rules import RIGHTS
from crm.cli import main
from crm.db import Base

ROOT = Path(__file__).parents[2]
MAP = (ROOT / "docs" / "architecture.md").read_text()
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/operating.md",
    "docs/privacy.md",
    "docs/benchmarks.md",
    "docs/reliability.md",
    "docs/ui.md",
]


def rows_under(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading of the map, without its head."""
    part = MAP.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_table_of_rights_is_the_one_in_force():
    head, _line, *rows = rows_under("Roles and rights")
    told = {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}
    assert set(told) == {permission.value.replace("_", " ") for permission in Permission}
    assert set(head[1:]) == {role.value for role in RIGHTS}
    for role, rights in RIGHTS.items():
        for permission in Permission:
            said = told[permission.value.replace("_", " ")][role.value] == "yes"
            assert said is (permission in rights), f"{role} {permission}"


def test_the_table_of_events_is_the_wiring_to_the_letter():
    _head, _line, *rows = rows_under("Calls go down, events go up")
    assert [tuple(cell.strip("`") for cell in row) for row in rows] == wiring.handlers().rows()


def test_the_table_of_public_addresses_names_every_open_door_and_no_closed_one(app):
    _head, _line, *rows = rows_under("Public routes")
    named = {address for row in rows for address in re.findall(r"`(/[^`]*)`", row[0])}
    starts = tuple(address.removesuffix("...") for address in named if address.endswith("..."))
    doors = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint not in {"static", "assets.file"}
        and (rule.endpoint in guards.PUBLIC or getattr(app.view_functions[rule.endpoint], "is_public", False))
    }
    untold = {door for door in doors if door not in named and not door.startswith(starts)}
    assert {door for door in untold if not door.startswith("/second-factor/")} == set()
    assert {name for name in named - {f"{start}..." for start in starts} if name not in doors} == set()
    assert all(any(door.startswith(start) for door in doors) for start in starts)


def layers() -> list[set[str]]:
    """The arrows that import-linter holds, from above: the names in each line."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (arrows,) = (one for one in contracts if one["name"] == "Domains depend downwards only")
    return [{name.strip(" ()").removeprefix("crm.") for name in line.split("|")} for line in arrows["layers"]]


def test_foreign_keys_follow_the_arrows():
    height = {name: -number for number, line in enumerate(layers()) for name in line}
    domain = {mapper.local_table.name: mapper.class_.__module__.split(".")[1] for mapper in Base.registry.mappers}
    upward = [
        f"{table.name} -> {key.column.table.name}"
        for table in models.metadata.tables.values()
        for key in table.foreign_keys
        # Everything stands in a workspace, also what lies below the domain that keeps them.
        if key.column.table.name != "workspace" and height[domain[table.name]] < height[domain[key.column.table.name]]
    ]
    assert upward == []


def test_the_arrows_of_the_map_are_those_that_are_checked():
    drawn = MAP.partition("## Arrows")[2].partition("Foreign keys")[0]
    lines = [re.sub(r"\(.*\)", "", line) for line in drawn.splitlines() if line.startswith("    ")]
    told = [{name.strip().removeprefix("crm/").replace("/", ".") for name in re.split(r"[,|]", line)} for line in lines]
    order = {name: number for number, line in enumerate(told) for name in line}
    checked = [line & set(order) for line in layers()]
    assert {name for line in checked for name in line} >= set(order) - {"crm.cli", "cli"}
    heights = [max(order[name] for name in line) for line in checked if line]
    assert heights == sorted(heights)


def spoken(pattern: str) -> set[tuple[str, str]]:
    return {(page, found) for page in PAGES for found in re.findall(pattern, (ROOT / page).read_text())}


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = spoken(r"(?:^    |`)make ([a-z0-9-]+)")
    assert len(named) > 5
    assert {(page, name) for page, name in named if name not in targets} == set()


def test_every_command_and_option_that_is_named_exists():
    named = spoken(r"`(?:\S+=\S+ )*crm ((?:[a-z-]+ ?)+(?:[^`\n]*)?)`") | spoken(r"^ +(?:\S+=\S+ )*crm ([^\n#]+)")
    assert len(named) > 8
    wrong = []
    for page, words in named:
        command: click.Command = main
        for word in words.split():
            if isinstance(command, click.Group) and re.fullmatch(r"[a-z][a-z-]*", word):
                found = command.get_command(click.Context(command), word)
                if found is None:
                    wrong.append(f"{page}: crm {words}")
                    break
                command = found
        options = {name for option in (*command.params, *main.params) for name in option.opts}
        wrong += [
            f"{page}: crm {words}: {option}"
            for option in re.findall(r"(?<!\w)--[a-z-]+", words)
            if option not in options | {"--help"}
        ]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page):
    here = ROOT / page
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", here.read_text()):
        assert (here.parent / target).exists(), target
