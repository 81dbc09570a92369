"""What runs of no sign-in are about: a row whose id is in their facts, under the name that their kind says.

A Notice that tells of such a row has a foreign key of that name.
"""

from __future__ import annotations

from typing import Any, cast

from django.db.models import BigIntegerField, Exists, Model, OuterRef, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from accounts.models import Notice, SignIn
from workflows import kinds
from workflows.kinds import Kind
from workflows.models import Run


def notices_of(run: Run) -> QuerySet[Notice]:
    """The notice of what the run is about, a sign-in or another row, if there is one."""
    if run.sign_in_id:
        return Notice.objects.filter(sign_in=run.sign_in_id)
    name = next((kind.about for kind in kinds_about_rows() if kind.name == run.kind), "")
    row = (run.facts or {}).get(name)
    return Notice.objects.filter(**{name: row}) if row else Notice.objects.none()


def kinds_about_rows() -> list[Kind]:
    return [kind for kind in kinds.all_kinds() if kind.about]


def run_of(notice: Notice) -> Run | None:
    """The run about what the notice tells of, where there is one."""
    row = notice.about
    if isinstance(row, SignIn):
        return Run.objects.filter(sign_in=row).first()
    model = type(row)
    for kind in kinds_about_rows():
        if Notice._meta.get_field(kind.about).related_model is model:
            return Run.objects.filter(user=row.user, kind=kind.name, **{f"facts__{kind.about}": row.pk}).first()
    return None


def whose_sign_in_notice_went_out(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Those of ``runs`` that are of a sign-in."""
    return runs.filter(Exists(Notice.objects.filter(sign_in=OuterRef("sign_in"), state=Notice.State.SENT)))


def whose_notice_went_out(kind: Kind, runs: QuerySet[Run]) -> QuerySet[Run]:
    """Those of ``runs`` that are of this kind."""
    row = Cast(OuterRef(f"facts__{kind.about}"), BigIntegerField())
    sent = Notice.objects.filter(**{kind.about: row}, state=Notice.State.SENT)
    return runs.filter(Exists(sent), kind=kind.name)


def rows_of(kind: Kind) -> QuerySet[Any]:
    """All that runs of this kind may be about."""
    model = cast(type[Model], Notice._meta.get_field(kind.about).related_model)
    return model._default_manager.all()


def ids_of(kind: Kind, runs: QuerySet[Run]) -> QuerySet[Run, Any]:
    """Of the rows that those of ``runs`` are about that are of this kind; None of one that names none."""
    row = Cast(KT(f"facts__{kind.about}"), BigIntegerField())
    return runs.filter(kind=kind.name).annotate(row=row).values_list("row", flat=True)
