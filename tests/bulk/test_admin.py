"""Bulk jobs from the admin's lists, and the job's page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client

from accounts.models import User
from tests.bulk.conftest import work_off
from tests.markup import Page, words
from workflows.bulk.models import BulkChunk, BulkFailure, BulkJob

USERS = "/admin/accounts/user/"
JOBS = "/admin/workflows/bulkjob/"
State = BulkJob.State
Queue = Callable[..., BulkJob]


@pytest.fixture
def operator(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


@pytest.fixture
def as_carol(client: Client, make_operator: Callable[..., User]) -> Callable[..., Client]:
    def sign_in(*permissions: str) -> Client:
        client.force_login(make_operator("carol", *permissions))
        return client

    return sign_in


def choose(client: Client, action: str, rows: list[Any], query: str = "", **more: Any) -> Any:
    data = {"action": f"bulk_{action}", "index": "0", "select_across": "0", "_selected_action": rows}
    return client.post(f"{USERS}{query}", data | more)


def ids(people: list[User]) -> list[int]:
    return [user.pk for user in people]


def hidden(response: Any) -> dict[str, Any]:
    """What the form of the page that asks would send."""
    page = Page(response.content.decode())
    assert page.faults == []
    data: dict[str, Any] = {}
    for e in page.elements:
        if e.tag == "input" and e.attributes.get("type") == "hidden":
            data.setdefault(e.attributes["name"], []).append(e.attributes["value"])
    return data


def file_of(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode()


def messages_of(client: Client, response: Any) -> list[str]:
    listed = client.get(response.headers["Location"])
    assert listed.status_code == 200
    return [str(message) for message in listed.context["messages"]]


def test_a_page_asks_and_says_how_many_and_the_job_is_queued_at_once(operator: Client, people: list[User]) -> None:
    asked = choose(operator, "sign_out", ids(people[:3]))
    text = Page(asked.content.decode()).text
    assert "3 users are selected" in text
    assert "Every session of these people ends" in text
    assert not BulkJob.objects.exists()

    answer = operator.post(USERS, hidden(asked))
    job = BulkJob.objects.get()
    assert answer.headers["Location"] == f"{JOBS}{job.pk}/change/"
    assert (job.action, job.state, job.dry_run) == ("sign_out", State.PREPARING, False)
    assert work_off(job).total == 3


def test_all_that_the_filter_matches_is_one_job(operator: Client, people: list[User]) -> None:
    query = "?q=person&p=1"
    asked = choose(operator, "forget_devices", ids(people[:1]), query, select_across="1")
    assert "12 users are selected: all that the list matches" in Page(asked.content.decode()).text

    operator.post(f"{USERS}{query}", hidden(asked) | {"dry_run": "yes"})
    job = BulkJob.objects.get()
    assert job.dry_run
    assert job.selection["query"] == "q=person"
    assert work_off(job).total == 12


@pytest.fixture
def counted_to_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.paging.MOST", 10)
    monkeypatch.setattr("workflows.bulk.list_admin.MOST_COUNTED", 10)


def test_a_list_that_is_not_counted_to_its_end_offers_all_that_match_and_names_no_number(
    operator: Client, people: list[User], counted_to_ten: None
) -> None:
    listed = Page(operator.get(f"{USERS}?q=person").content.decode())
    assert words(listed.find("span", class_="question hidden").text) == "Select all that match, more than 10 users"
    assert words(listed.find("span", class_="all hidden").text) == "All that match are selected, more than 10"
    assert words(listed.find("p", class_="paginator").text) == "more than 10 users"
    assert "more than 10 results (Show all)" in listed.text

    form = hidden(asked := choose(operator, "sign_out", ids(people[:1]), "?q=person", select_across="1"))
    text = Page(asked.content.decode()).text
    assert "More than 10 users are selected: all that the list matches." in text
    assert "the job's page says" in text
    operator.post(f"{USERS}?q=person", form)
    assert work_off(BulkJob.objects.get()).total == 12


def test_a_list_that_is_counted_says_how_many(operator: Client, people: list[User], counted_to_ten: None) -> None:
    listed = Page(operator.get(f"{USERS}?q=person00").content.decode())
    assert words(listed.find("p", class_="paginator").text) == "1 user"
    ten = operator.get(f"{USERS}?is_staff__exact=0&id__lte={people[9].pk}")
    assert words(Page(ten.content.decode()).find("p", class_="paginator").text) == "10 users"


def test_people_are_anonymised_by_who_may_see_their_sign_ins(
    as_carol: Callable[..., Client], people: list[User]
) -> None:
    carol = as_carol("bulk_anonymise")
    assert "anonymise all their sign-ins" in carol.get(USERS).content.decode()
    asked = choose(carol, "anonymise_people", ids(people[:2]))
    assert "2 users are selected" in Page(asked.content.decode()).text

    User.objects.get(username="carol").user_permissions.remove(Permission.objects.get(codename="view_signin"))
    assert "anonymise all their sign-ins" not in carol.get(USERS).content.decode()


@pytest.mark.parametrize("name", ["export_users", "sign_out"])
def test_every_face_names_an_action_alike(operator: Client, people: list[User], queue: Queue, name: str) -> None:
    heading = {"export_users": "Export as CSV", "sign_out": "Sign out everywhere"}[name]
    job = work_off(queue(name))

    page = Page(operator.get(f"{JOBS}{job.pk}/change/").content.decode())
    assert words([e.text for e in page.elements if e.tag == "h1"][-1]) == heading
    assert heading in Page(operator.get(JOBS).content.decode()).text
    assert mail.outbox[-1].subject.startswith(f"Loginwatch: {heading}: ")
    assert f"“{heading}”" in mail.outbox[-1].body


def test_the_same_form_sent_twice_is_one_job(operator: Client, people: list[User]) -> None:
    form = hidden(choose(operator, "sign_out", ids(people)))

    first, second = operator.post(USERS, form), operator.post(USERS, form)

    assert first.headers["Location"] == second.headers["Location"]
    assert BulkJob.objects.count() == 1
    assert messages_of(operator, second) == ["This job was started already: here it is."]


ONE_PERSON, ALL_THAT_MATCH = {"select_across": "0"}, {"select_across": "1"}
NOTICE = {"p-subject": "Look", "p-text": "at this"}


def shown_twin(answer: Any) -> list[str]:
    """The addresses of jobs to which the page that asks leads."""
    page = Page(answer.content.decode())
    assert page.faults == []
    return [address for address in page.addresses() if address.startswith(JOBS) and address.endswith("/change/")]


@pytest.mark.parametrize("rows", [ONE_PERSON, ALL_THAT_MATCH])
def test_who_chooses_the_same_again_is_told_of_the_job_that_is_there_and_may_start_another(
    operator: Client, people: list[User], rows: dict[str, str]
) -> None:
    query = "?is_staff__exact=0&q=person"
    asked = [choose(operator, "security_notice", ids(people[:1]), query, **rows) for _ in range(3)]
    operator.post(f"{USERS}{query}", hidden(asked[0]) | NOTICE)
    job = BulkJob.objects.get()

    told = operator.post(f"{USERS}{query}", hidden(asked[1]) | NOTICE)
    assert shown_twin(told) == [f"{JOBS}{job.pk}/change/"]
    assert "The same job is there already, selecting its rows, started by admin" in Page(told.content.decode()).text
    assert BulkJob.objects.get() == job

    operator.post(f"{USERS}{query}", hidden(told) | NOTICE)
    assert BulkJob.objects.count() == 2


def test_the_page_tells_of_the_same_job_before_it_is_answered(operator: Client, people: list[User]) -> None:
    operator.post(USERS, hidden(choose(operator, "sign_out", ids(people[:2]))))
    job = BulkJob.objects.get()

    assert shown_twin(choose(operator, "sign_out", ids(people[1::-1]))) == [f"{JOBS}{job.pk}/change/"]
    work_off(job)
    assert shown_twin(choose(operator, "sign_out", ids(people[:2]))) == []


def test_another_selection_action_or_text_and_a_dry_run_are_not_the_same_job(
    operator: Client, people: list[User], queue: Queue
) -> None:
    queue("sign_out", ids=ids(people[:2]), dry_run=True)
    queue("sign_out", "q=person0")
    queue("forget_devices", ids=ids(people[:2]))
    queue("security_notice", ids=ids(people[:2]), parameters={"subject": "Look", "text": "at that"})

    assert shown_twin(choose(operator, "sign_out", ids(people[:2]))) == []
    form = hidden(choose(operator, "security_notice", ids(people[:2])))
    assert operator.post(USERS, form | NOTICE).status_code == 302


def test_who_may_not_see_the_other_persons_job_is_told_of_it_all_the_same(
    as_carol: Callable[..., Client], people: list[User], queue: Queue
) -> None:
    queue("sign_out", ids=ids(people[:2]))
    asked = choose(as_carol("bulk_sign_out"), "sign_out", ids(people[:2]))

    assert shown_twin(asked) == []
    assert "The same job is there already" in Page(asked.content.decode()).text


def test_an_empty_selection_starts_no_job(operator: Client, people: list[User]) -> None:
    none = choose(operator, "sign_out", [])
    assert "Items must be selected" in messages_of(operator, none)[0]

    form = hidden(choose(operator, "sign_out", ids(people[:1])))
    people[0].delete()
    gone = operator.post(USERS, form)
    assert messages_of(operator, gone) == ["Nothing is selected any longer: no job was started."]
    assert not BulkJob.objects.exists()


def test_a_filter_that_matches_more_than_was_asked_about_is_asked_about_again(
    operator: Client, people: list[User], make_user: Callable[..., User]
) -> None:
    form = hidden(choose(operator, "sign_out", ids(people[:1]), "?q=person", select_across="1"))
    make_user("person99")

    again = operator.post(f"{USERS}?q=person", form)

    assert "13 users are selected" in Page(again.content.decode()).text
    assert "more than before" in again.content.decode()
    assert not BulkJob.objects.exists()


@pytest.mark.parametrize("when", ["before the page asks", "after it has asked"])
def test_what_was_ticked_and_has_left_the_list_is_neither_counted_nor_done(
    operator: Client, people: list[User], signed_in: Callable[[User], str], when: str
) -> None:
    query, promoted = "?is_staff__exact=0", User.objects.filter(pk=people[0].pk)
    key = signed_in(people[0])
    if when == "before the page asks":
        promoted.update(is_staff=True)
    asked = choose(operator, "sign_out", ids(people[:5]), query)
    promoted.update(is_staff=True)

    operator.post(f"{USERS}{query}", hidden(asked))

    assert ("4 users are selected" in Page(asked.content.decode()).text) == (when == "before the page asks")
    assert work_off(BulkJob.objects.get()).total == 4
    assert Session.objects.filter(pk=key).exists()


def test_ids_that_are_added_to_the_form_are_asked_about_or_left_out(
    operator: Client, people: list[User], admin: User
) -> None:
    query = "?is_staff__exact=0"
    form = hidden(choose(operator, "sign_out", ids(people[:2]), query))

    more = operator.post(f"{USERS}{query}", form | {"_selected_action": ids(people[:3])})
    assert "3 users are selected" in Page(more.content.decode()).text
    assert not BulkJob.objects.exists()

    operator.post(f"{USERS}{query}", form | {"_selected_action": ids([*people[:2], admin])})
    assert set(BulkJob.objects.get().selection["ids"]) == {str(one) for one in ids(people[:2])}


@pytest.mark.parametrize("change", [{"confirmed": "²"}, {"confirmed": "9" * 5000}, {"token": "x"}, {"token": ""}])
def test_a_confirmation_that_is_none_is_asked_for_again(
    operator: Client, people: list[User], change: dict[str, str]
) -> None:
    form = hidden(choose(operator, "sign_out", ids(people)))

    assert operator.post(USERS, form | change).status_code == 200
    assert not BulkJob.objects.exists()


@pytest.mark.parametrize("row", ["abc", "1 OR 1=1", "9" * 40, "\0"])
def test_what_is_no_id_is_a_bad_request(operator: Client, people: list[User], row: str) -> None:
    assert choose(operator, "sign_out", [row]).status_code == 400


def test_a_notice_is_shown_before_it_is_sent_and_refused_with_template_markup(
    operator: Client, people: list[User]
) -> None:
    asked = choose(operator, "security_notice", ids(people[:2]))
    assert "Preview" in Page(asked.content.decode()).values("value")
    form = hidden(asked)
    bad = operator.post(USERS, form | {"p-subject": "Hello", "p-text": "{{ user.password }}"})
    assert "template markup is not read" in bad.content.decode()

    text = {"p-subject": "Hello {username}", "p-text": "<b>Dear</b> {first_name}"}
    shown = operator.post(USERS, form | text | {"preview": "Preview"})
    page = Page(shown.content.decode())
    assert page.faults == []
    assert not BulkJob.objects.exists()

    operator.post(USERS, form | text)
    job = work_off(BulkJob.objects.get())
    assert job.parameters == {"subject": "Hello {username}", "text": "<b>Dear</b> {first_name}"}
    first = mail.outbox[0]
    assert words(str(first.body)).startswith("<b>Dear</b> Nr 0 -- You get this mail because you have an account at")
    preview = page.find("pre", class_="bulk-preview").text
    assert preview == f"To: {people[0].email}\nSubject: {first.subject}\n\n{first.body}"


def test_staff_are_offered_only_what_they_may_do(as_carol: Callable[..., Client], people: list[User]) -> None:
    carol = as_carol("bulk_export")
    listed = carol.get(USERS).content.decode()
    assert 'value="bulk_export_users"' in listed
    assert 'value="bulk_sign_out"' not in listed

    refused = choose(carol, "sign_out", ids(people), confirmed="12", token=str(uuid4()))
    assert messages_of(carol, refused) == ["No action selected."]
    assert not BulkJob.objects.exists()


def test_who_has_lost_the_permission_since_the_page_asked_starts_nothing(
    as_carol: Callable[..., Client], people: list[User]
) -> None:
    carol = as_carol("bulk_sign_out", "bulk_export")
    form = hidden(choose(carol, "sign_out", ids(people)))
    User.objects.get(username="carol").user_permissions.remove(Permission.objects.get(codename="bulk_sign_out"))

    assert messages_of(carol, carol.post(USERS, form)) == ["No action selected."]
    assert not BulkJob.objects.exists()


def test_who_may_not_see_a_list_can_do_nothing_to_it(
    client: Client, make_user: Callable[..., User], people: list[User]
) -> None:
    dave = make_user("dave", is_staff=True)
    dave.user_permissions.set(Permission.objects.filter(codename="bulk_sign_out"))
    client.force_login(dave)

    assert choose(client, "sign_out", ids(people)).status_code == 403


def test_the_page_shows_how_far_the_job_is_and_its_buttons_work(
    operator: Client, people: list[User], queue: Queue
) -> None:
    job = queue("sign_out")
    page = Page(operator.get(f"{JOBS}{job.pk}/change/").content.decode())
    assert page.faults == []
    assert page.find("progress").attributes["max"] == "1"
    assert page.find("section", id="bulk-panel").attributes["hx-trigger"] == "every 1s"

    operator.post(f"{JOBS}{job.pk}/stop/")
    stopped = Page(operator.get(f"{JOBS}{job.pk}/change/").content.decode())
    assert "Stopped" in stopped.text
    assert "hx-get" not in stopped.find("section", id="bulk-panel").attributes

    operator.post(f"{JOBS}{job.pk}/go-on/")
    work_off(job)
    finished = Page(operator.get(f"{JOBS}{job.pk}/change/").content.decode())
    assert "12 of 12 rows (100 %)" in finished.text
    assert finished.find("progress").attributes == {"id": "bulk-progress", "max": "12", "value": "12"}
    late = operator.post(f"{JOBS}{job.pk}/stop/")
    assert messages_of(operator, late) == ["There is nothing left to stop: the job is finished."]


def test_the_panel_has_the_page_loaded_again_when_the_state_has_changed(
    operator: Client, people: list[User], queue: Queue
) -> None:
    job = queue("sign_out")
    panel = f"{JOBS}{job.pk}/panel/?seen="
    assert "bulk-progress" in operator.get(f"{panel}preparing").content.decode()
    assert operator.get(f"{panel}running").headers["HX-Refresh"] == "true"
    operator.logout()
    assert operator.get(f"{panel}preparing").headers["HX-Refresh"] == "true"


def test_failed_rows_are_shown_with_their_reason_and_all_are_in_the_file(
    operator: Client, people: list[User], queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.bulk.job_admin.MOST_SHOWN", 2)
    job = work_off(queue("sign_out"))
    for row in ("1", "2", "3"):
        BulkFailure.objects.create(job=job, row=row, reason="=cmd|' /C calc'!A0")
    BulkJob.objects.filter(pk=job.pk).update(failed=3)

    page = Page(operator.get(f"{JOBS}{job.pk}/change/").content.decode())
    assert "The first 2 of 3." in page.text
    answer = operator.get(f"{JOBS}{job.pk}/failures.csv")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="failed-{job.pk}.csv"'
    lines = file_of(answer).splitlines()
    assert lines == ["id,reason", *(f"{row},'=cmd|' /C calc'!A0" for row in ("1", "2", "3"))]

    operator.post(f"{JOBS}{job.pk}/retry/")
    assert work_off(job).failed == 0


def test_a_dry_run_is_done_for_real_by_one_button_and_once(operator: Client, people: list[User], queue: Queue) -> None:
    tried = work_off(queue("sign_out", dry_run=True))
    assert "Start it for real" in operator.get(f"{JOBS}{tried.pk}/change/").content.decode()

    first, second = (operator.post(f"{JOBS}{tried.pk}/start/") for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    real = BulkJob.objects.exclude(pk=tried.pk).get()
    of_so_many = {"confirmed": "12 users", "rows_at_most": 12}
    assert (real.dry_run, real.selection) == (False, tried.selection | of_so_many)
    assert messages_of(operator, operator.post(f"{JOBS}{real.pk}/start/")) == [
        "Only a dry run that has finished can be started for real."
    ]


def test_a_dry_run_is_not_started_for_real_beside_the_same_job_of_another_person(
    operator: Client, people: list[User], queue: Queue, make_operator: Callable[..., User]
) -> None:
    tried = work_off(queue("sign_out", dry_run=True))
    operator.post(f"{JOBS}{tried.pk}/start/")
    real = BulkJob.objects.get(dry_run=False)

    operator.force_login(make_operator("carol", "bulk_sign_out", "view_bulkjob"))
    refused = operator.post(f"{JOBS}{tried.pk}/start/")

    assert messages_of(operator, refused) == [f"The same job is there already, selecting its rows: {real.pk}."]
    assert BulkJob.objects.filter(dry_run=False).count() == 1


def test_an_export_is_downloaded_by_who_may_export_and_see_such_rows(
    operator: Client, people: list[User], queue: Queue, make_operator: Callable[..., User]
) -> None:
    job = work_off(queue("export_users"))
    url = f"{JOBS}{job.pk}/export.csv"
    answer = operator.get(url)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert len(file_of(answer).splitlines()) == 13

    for permissions in (("view_bulkjob",), ("bulk_export",)):
        operator.force_login(make_operator("-".join(permissions), *permissions))
        assert operator.get(url).status_code == 404
    operator.force_login(make_operator("erin", "bulk_export", "view_bulkjob"))
    assert operator.get(url).status_code == 200
    User.objects.get(username="erin").user_permissions.remove(Permission.objects.get(codename="view_user"))
    assert operator.get(url).status_code == 404


def test_a_file_of_who_may_see_users_is_not_for_others_who_may_not(
    operator: Client, signed_in: Callable[[User], str], people: list[User], queue: Queue, make_operator: Any
) -> None:
    signed_in(people[0])
    carol = make_operator("carol", "bulk_export", "view_bulkjob")
    carol.user_permissions.remove(Permission.objects.get(codename="view_user"))
    theirs = work_off(queue("export_sign_ins", "", by=User.objects.get(pk=carol.pk)))
    others = work_off(queue("export_sign_ins", ""))

    operator.force_login(carol)
    assert people[0].email not in file_of(operator.get(f"{JOBS}{theirs.pk}/export.csv"))
    assert operator.get(f"{JOBS}{others.pk}/export.csv").status_code == 404
    carol.user_permissions.add(Permission.objects.get(codename="view_user"))
    assert people[0].email in file_of(operator.get(f"{JOBS}{others.pk}/export.csv"))


def test_a_file_that_was_deleted_is_offered_no_longer(operator: Client, people: list[User], queue: Queue) -> None:
    job = work_off(queue("export_users"))
    BulkChunk.objects.all().delete()

    assert "Download" not in operator.get(f"{JOBS}{job.pk}/change/").content.decode()
    assert operator.get(f"{JOBS}{job.pk}/export.csv").status_code == 404


def test_who_may_not_see_jobs_sees_their_own_alone(
    as_carol: Callable[..., Client], people: list[User], queue: Queue
) -> None:
    carol = as_carol("bulk_sign_out")
    others, own = queue("sign_out"), queue("sign_out", by=User.objects.get(username="carol"))

    listed = carol.get(JOBS).content.decode()
    assert str(own.pk) in listed
    assert str(others.pk) not in listed
    for path in ("change/", "failures.csv", "export.csv", "panel/"):
        assert carol.get(f"{JOBS}{others.pk}/{path}").status_code == 404
    assert carol.post(f"{JOBS}{others.pk}/stop/").status_code == 404
    assert carol.get(f"{JOBS}{own.pk}/change/").status_code == 200


def test_who_sees_a_job_and_has_not_its_permission_cannot_steer_it(
    as_carol: Callable[..., Client], people: list[User], queue: Queue
) -> None:
    job = queue("sign_out")
    carol = as_carol("view_bulkjob", "bulk_export")

    assert "Stop" not in Page(carol.get(f"{JOBS}{job.pk}/change/").content.decode()).values("value")
    assert messages_of(carol, carol.post(f"{JOBS}{job.pk}/stop/")) == [
        "You have not the permission workflows.bulk_sign_out."
    ]
    job.refresh_from_db()
    assert job.state == State.PREPARING
    assert carol.get(f"{JOBS}{job.pk}/stop/").status_code == 405


def test_people_and_strangers_see_no_job(client: Client, alice: User, people: list[User], queue: Queue) -> None:
    job = queue("sign_out")
    for _ in range(2):
        assert client.get(f"{JOBS}{job.pk}/change/").status_code == 302
        assert client.post(f"{JOBS}{job.pk}/stop/").status_code == 302
        client.force_login(alice)
    job.refresh_from_db()
    assert job.state == State.PREPARING


@pytest.mark.parametrize("key", ["nonsense", str(uuid4())])
def test_a_job_that_is_not_there_is_not_found(operator: Client, key: str) -> None:
    assert operator.get(f"{JOBS}{key}/change/").status_code == 404


def test_another_person_approves_on_the_jobs_page(
    operator: Client, people: list[User], queue: Queue, make_operator: Callable[..., User], settings: Any
) -> None:
    settings.BULK_APPROVAL = True
    job = queue("sign_out")
    own = operator.get(f"{JOBS}{job.pk}/change/").content.decode()
    assert "Waiting for approval" in own
    assert "Approve" not in Page(own).values("value")

    operator.force_login(make_operator("carol", "approve_bulkjob"))
    assert "Approve" in Page(operator.get(f"{JOBS}{job.pk}/change/").content.decode()).values("value")
    operator.post(f"{JOBS}{job.pk}/approve/")
    assert work_off(job).state == State.FINISHED


@pytest.mark.parametrize(
    ("query", "all_of_them", "says"),
    [("", "0", "2 users"), ("?q=person00", "1", "1 user"), ("?q=person", "1", "more than 10 users")],
)
def test_who_approves_is_told_the_number_that_was_confirmed(
    operator: Client,
    people: list[User],
    counted_to_ten: None,
    make_operator: Callable[..., User],
    settings: Any,
    query: str,
    all_of_them: str,
    says: str,
) -> None:
    settings.BULK_APPROVAL = True
    form = hidden(choose(operator, "sign_out", ids(people[:2]), query, select_across=all_of_them))
    operator.post(f"{USERS}{query}", form)
    job = BulkJob.objects.get()

    operator.force_login(make_operator("carol", "approve_bulkjob"))
    page = Page(operator.get(f"{JOBS}{job.pk}/change/").content.decode())
    assert page.faults == []
    assert f"Selected when the job was confirmed: {says}." in words(page.text)
    assert "0 of 0 rows" not in page.text

    operator.post(f"{JOBS}{job.pk}/approve/")
    work_off(job)
    finished = words(Page(operator.get(f"{JOBS}{job.pk}/change/").content.decode()).text)
    assert f"({says} when it was confirmed)" in finished


def test_who_may_only_approve_declines_as_well(
    operator: Client, people: list[User], queue: Queue, make_operator: Callable[..., User], settings: Any
) -> None:
    settings.BULK_APPROVAL = True
    job, begun = queue("sign_out"), queue("sign_out")
    own = Page(operator.get(f"{JOBS}{job.pk}/change/").content.decode()).values("value")
    assert "Stop" in own and "Decline" not in own

    operator.force_login(make_operator("carol", "approve_bulkjob"))
    offered = Page(operator.get(f"{JOBS}{job.pk}/change/").content.decode()).values("value")
    assert {"Approve", "Decline"} <= set(offered) and "Stop" not in offered
    declined = operator.post(f"{JOBS}{job.pk}/decline/")
    assert declined.headers["Location"] == JOBS
    assert messages_of(operator, declined) == ["Sign out everywhere: the job is stopped."]
    stopped = work_off(job)
    assert stopped.state == State.STOPPED and stopped.finished_at

    operator.post(f"{JOBS}{begun.pk}/approve/")
    assert messages_of(operator, operator.post(f"{JOBS}{begun.pk}/decline/")) == [
        "The job does not wait for approval: it is selecting its rows."
    ]
    assert messages_of(operator, operator.post(f"{JOBS}{begun.pk}/stop/")) == [
        "You have not the permission workflows.bulk_sign_out."
    ]


def test_the_list_of_jobs_is_filtered_and_searched(operator: Client, people: list[User], queue: Queue) -> None:
    job = queue("sign_out")

    assert str(job.pk) in operator.get(f"{JOBS}?action=sign_out&q=admin").content.decode()
    assert str(job.pk) not in operator.get(f"{JOBS}?action=anonymise").content.decode()
    assert str(job.pk) in operator.get(f"{JOBS}?q={job.pk}").content.decode()
