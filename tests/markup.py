"""Reading pages as a browser would, as far as tests need it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
ADDRESSES = {"src", "href", "action", "formaction", "hx-get", "hx-post", "poster", "data"}
# What names other elements of the page by their ids.
REFERENCES = {"for", "aria-labelledby", "aria-describedby", "aria-controls"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Page(HTMLParser):
    """``faults`` says what is wrong with the markup; an element's text is its own and that of what is inside."""

    html: str
    elements: list[Element] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[Element] = []
        self._roots: list[Element] = []
        self.feed(self.html)
        self.close()
        self.faults += [f"<{element.tag}> is never closed" for element in self._open]
        ids = Counter(self.values("id"))
        self.faults += [f"id {name!r} is there {times} times" for name, times in ids.items() if times > 1]
        named = {name for attribute in REFERENCES for value in self.values(attribute) for name in value.split()}
        self.faults += [f"nothing has the id {name!r}" for name in sorted(named - set(ids))]

    def values(self, attribute: str) -> list[str]:
        return [e.attributes[attribute] for e in self.elements if attribute in e.attributes]

    def addresses(self) -> list[str]:
        return [value for attribute in ADDRESSES for value in self.values(attribute)]

    def find(self, tag: str, **attributes: str) -> Element:
        """The one element with these attributes; ``class_`` stands for class."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        found = [e for e in self.elements if e.tag == tag and wanted.items() <= e.attributes.items()]
        assert len(found) == 1, f"{len(found)} elements are <{tag}> with {wanted}"
        return found[0]

    @property
    def text(self) -> str:
        return words(self.find("body").text if "<body" in self.html else "".join(e.text for e in self._roots))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if not self._open:
            self._roots.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1].tag != tag:
            self.faults.append(f"</{tag}> closes {self._open[-1].tag if self._open else 'nothing'}")
        elif self._open:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data


def words(text: str) -> str:
    """``text`` with every run of white space as one space."""
    return " ".join(text.split())
