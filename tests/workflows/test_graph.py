"""The drawing of a canvas: of any kind of workflow, on a page and on a phone."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from workflows.presentation.graph import NARROWEST_BOX, PAGE, TALL, Box, Graph, draw
from workflows.presentation.words import ShownRun, ShownStep


def step(name: str, **fields: object) -> ShownStep:
    given = {"title": name, "state": "waiting", "state_word": "waiting", "duration": "", "since": None}
    return ShownStep(name=name, **(given | {"again_at": None, "attempts": "", "says": "", "error": ""} | fields))  # type: ignore[arg-type]


def drawn(*stages: list[ShownStep]) -> list[Graph]:
    return draw(ShownRun(stages=list(stages), done=0, total=0, says=""))


SIGN_IN = ([step("check")], [step("notify"), step("save")], [step("post")], [step("process")])
CANVASES = {
    "one step": ([step("a")],),
    "a sign-in's": SIGN_IN,
    "a group at each end": ([step("a"), step("b")], [step("c")], [step("d"), step("e"), step("f")]),
    "a group after a group": ([step("a"), step("b")], [step("c"), step("d")]),
    "a group of twelve": ([step("a")], [step(f"b{number}") for number in range(12)]),
    "ten steps": tuple([step(f"s{number}")] for number in range(10)),
}


def overlap(one: Box, other: Box) -> bool:
    apart = one.x + one.width <= other.x or other.x + other.width <= one.x
    return not (apart or one.y + one.height <= other.y or other.y + other.height <= one.y)


@pytest.mark.parametrize("name", CANVASES)
def test_every_step_has_a_box_of_its_own_inside_the_drawing(name: str) -> None:
    stages = CANVASES[name]
    for graph in drawn(*stages):
        boxes = graph.boxes
        assert [box.step for box in boxes] == [step for stage in stages for step in stage]
        assert all(box.x >= 0 and box.y >= 0 for box in boxes)
        assert all(box.x + box.width <= graph.width and box.y + box.height <= graph.height for box in boxes)
        assert not any(overlap(one, other) for at, one in enumerate(boxes) for other in boxes[:at])


@pytest.mark.parametrize("name", CANVASES)
def test_every_stage_is_joined_to_the_next(name: str) -> None:
    stages = CANVASES[name]
    for graph in drawn(*stages):
        lines = sum(len(before) + len(after) for before, after in pairwise(stages))
        assert len(graph.edges) == lines


def test_the_drawing_from_left_to_right_is_left_out_where_a_page_has_no_room_for_it() -> None:
    assert [graph.name for graph in drawn(*SIGN_IN)] == ["tall", "wide"]
    assert [graph.name for graph in drawn(*CANVASES["ten steps"])] == ["tall"]
    for graph in drawn(*SIGN_IN):
        assert graph.width <= (TALL if graph.name == "tall" else PAGE + 2)
    assert min(box.width for box in drawn(*SIGN_IN)[1].boxes) >= NARROWEST_BOX


def test_members_of_a_group_stand_beside_each_other_in_time() -> None:
    _, wide = drawn(*SIGN_IN)
    check, notify, save, post, _ = wide.boxes
    assert notify.x == save.x and notify.y < save.y
    assert check.x < notify.x < post.x


def test_lines_show_how_far_the_run_has_got() -> None:
    done = {"state": "succeeded", "state_word": "succeeded"}
    tall, wide = drawn([step("a", **done)], [step("b", **done), step("c")], [step("d")])
    assert [edge.is_done for edge in wide.edges] == [True] * 3 + [False] * 3
    assert [edge.is_done for edge in tall.edges] == [True] * 3 + [False] * 3


def test_a_title_is_broken_into_two_lines_at_most() -> None:
    title = "ask the service that knows whether this sign-in looks like all the others before it"
    (box,) = drawn([step("post", title=title)])[0].boxes
    assert len(box.lines) == 2 and box.lines[1][1].endswith("…")


def test_a_box_is_read_out_with_its_state_and_its_place() -> None:
    again_at = datetime(2026, 5, 4, 12, 3, 5, tzinfo=UTC)
    fields = {"state": "retrying", "state_word": "retrying", "attempts": "3 attempts", "again_at": again_at}
    tall, _ = drawn([step("check")], [step("notify", **fields), step("save")])
    _, notify, _ = tall.boxes
    assert notify.label == ("Notify: retrying, 3 attempts, again 12:03:05. Stage 2 of 2, at the same time as: save.")
    assert notify.note == "3 attempts · again 12:03:05"
