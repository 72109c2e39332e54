"""What the audit log, the bell and long work tell is told in words, never by its code."""

import ast
from pathlib import Path

from flask import current_app

from crm.accounts import places

CODE = Path(places.__file__).parents[1]
#: Called with what is told as `action=` or `kind=`, or in the third place.
TELLING = {"record", "notify", "start", "_decided", "_noted"}


def told_by(path):
    """The codes that a module hands to the audit log, the bell or the table of progress."""
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name not in TELLING:
            continue
        given = [word.value for word in call.keywords if word.arg in {"action", "kind"}] + call.args[3:4]
        yield from (each.value for each in given if isinstance(each, ast.Constant) and "." in str(each.value))


def codes():
    return sorted({code for path in CODE.rglob("*.py") for code in told_by(path)})


def test_each_code_has_its_words(app):
    found = codes()
    assert {"segment.created", "contact.deleted", "campaign.paused", "campaign.finished"} <= set(found)
    with app.test_request_context():
        wordless = {code: places.told(code) for code in found if code not in current_app.extensions["crm_words"]}
    assert not wordless, f"add_words: told by their codes: {wordless}"
