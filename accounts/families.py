"""What a user agent names itself: the families of browser and operating system."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import ua_parser
from ua_parser.loaders import load_lazy_builtins

# A user agent says all it has to say early; the rest of a long one is there to keep a parser busy.
PARSED_LENGTH = 512

# What a rule copies out of the user agent is text of the client's choice, unless it is one of a group's words.
_COPIED = "$1"
_WORDS = re.compile(r"\(([\w +.\\|-]+)\)")
_WITHIN_WORDS = re.compile(r"\(\?:[^()]*\)[?*+]?")


@dataclass(frozen=True)
class Families:
    """The browser and operating-system families of a user agent, "" where it does not tell."""

    browser: str
    os: str


def families_of(user_agent: str) -> Families:
    """The families that the parser's rules know by name.

    Some rules take any text for one. Mails name the device, and whoever signed in shall not write them.
    """
    result = ua_parser.parse(user_agent[:PARSED_LENGTH])
    browsers, systems = _known()
    browser = result.user_agent.family if result.user_agent else ""
    os = result.os.family if result.os else ""
    return Families(browser if browser in browsers else "", os if os in systems else "")


@functools.cache
def _known() -> tuple[frozenset[str], frozenset[str]]:
    browsers, systems, _ = load_lazy_builtins()
    return frozenset(_names(browsers)), frozenset(_names(systems))


def _names(rules: Iterable[Any]) -> Iterator[str]:
    """The names that the rules spell out: each has a regular expression, and the family that it stands for."""
    for rule in rules:
        if _COPIED not in rule.family:
            yield rule.family
            continue
        for words in _WORDS.findall(_WITHIN_WORDS.sub("", rule.regex)):
            for word in words.split("|"):
                yield rule.family.replace(_COPIED, word.replace("\\", ""))
