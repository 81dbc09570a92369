"""What can be done to many people, and to devices."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from accounts import devices, sessions
from accounts.models import Device, User
from workflows.bulk.actions import mails, texts
from workflows.bulk.registry import Action, Did, Work, register


def sign_out(user: User, work: Work) -> Did:
    return Did.DONE if sessions.end_sessions(user.pk) else Did.SKIPPED


def sign_out_many(users: list[User], work: Work) -> set[int]:
    return sessions.end_sessions_of([user.pk for user in users])


def forget_devices(user: User, work: Work) -> Did:
    """The rows stay, for their names: what they lose is the trust."""
    return Did.DONE if devices.untrust_devices(user) else Did.SKIPPED


def forget_device(device: Device, work: Work) -> Did:
    if device.untrusted_at:
        return Did.SKIPPED
    devices.untrust_device(device)
    return Did.DONE


def send_notice(user: User, work: Work) -> Did:
    if not user.is_active:
        return Did.SKIPPED
    mails.send(mails.notice(user, work.job.parameters), user, work)
    return Did.DONE


def preview_notice(user: User, parameters: dict[str, Any]) -> str:
    """What this person would get."""
    return mails.preview(mails.notice(user, parameters))


def ask_password(user: User, work: Work) -> Did:
    """The old password is good until a new one is chosen: a mail that is lost, or was a mistake, locks nobody out."""
    if not user.is_active:
        return Did.SKIPPED
    mails.send(mails.ask_password(user), user, work)
    return Did.DONE


register(
    Action(
        name="sign_out",
        title="sign out everywhere",
        model=User,
        permission="bulk_sign_out",
        do=sign_out,
        do_many=sign_out_many,
        explains="Every session of these people ends, in every browser. They can sign in again at once.",
        destroys=True,
        subject=attrgetter("pk"),
    )
)
register(
    Action(
        name="security_notice",
        title="send a security notice",
        model=User,
        permission="bulk_security_notice",
        do=send_notice,
        explains="Each of these people gets a mail of this text. Accounts that are not active get none.",
        outside=True,
        form=texts.NoticeForm,
        subject=attrgetter("pk"),
        preview=preview_notice,
    )
)
register(
    Action(
        name="ask_password",
        title="ask for a new password",
        model=User,
        permission="bulk_ask_password",
        do=ask_password,
        explains=(
            "Each of these people gets a mail with a link to choose a new password, and it is noted in the security "
            "log. Until then the old password is good; to end what is open now, sign them out as well."
        ),
        outside=True,
        subject=attrgetter("pk"),
    )
)
register(
    Action(
        name="forget_devices",
        title="forget their devices",
        model=User,
        permission="bulk_forget_devices",
        do=forget_devices,
        explains="No device of these people is trusted any longer: the next sign-in from each is told by mail.",
        destroys=True,
        subject=attrgetter("pk"),
    )
)
register(
    Action(
        name="forget_device",
        title="forget devices",
        model=Device,
        permission="bulk_forget_devices",
        do=forget_device,
        explains="These devices are not trusted any longer: the next sign-in from each is told by mail.",
        destroys=True,
        subject=attrgetter("user_id"),
    )
)
