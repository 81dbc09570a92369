from django.conf import settings
from django.db import migrations, models

# Not in 0018, which locks the table until its end: this looks at all of its rows.
HEALED = """
    UPDATE workflows_run SET healed = published - 1 - resumed WHERE healed = 0 AND published - 1 - resumed > 0"""


# Of a bulk job before: now those of steering a run, one or many, with the name that Django would give them.
HANDED_ON = {
    "bulk_resume": ("resume_run", "Can resume a failed run"),
    "bulk_run_again": ("run_again", "Can have a run do what it left out"),
}


def hand_on_permissions(apps, schema_editor):
    """Who could do so to many runs by a permission of its own can by that of a single one.

    The former stays: processes of the version before ask for it as long as they run.
    """
    alias = schema_editor.connection.alias
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    content_types = apps.get_model("contenttypes", "ContentType").objects.using(alias)
    for former in permissions.filter(codename__in=HANDED_ON, content_type__app_label="workflows"):
        codename, name = HANDED_ON[former.codename]
        of_runs = content_types.get(app_label="workflows", model="run")
        permission, _ = permissions.get_or_create(codename=codename, content_type=of_runs, defaults={"name": name})
        for group in former.group_set.all():
            group.permissions.add(permission)
        for user in former.user_set.all():
            user.user_permissions.add(permission)
        permissions.filter(pk=former.pk).update(name=f"No longer asked for: {former.name}")


class Migration(migrations.Migration):

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("workflows", "0020_when_it_was_resumed"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunSQL(HEALED, migrations.RunSQL.noop),
        migrations.RunPython(hand_on_permissions, migrations.RunPython.noop),
        migrations.AlterModelOptions(
            name="bulkjob",
            options={
                "permissions": [
                    ("bulk_sign_out", "Can sign out many people everywhere"),
                    ("bulk_security_notice", "Can send many people a security notice"),
                    ("bulk_ask_password", "Can ask many people for a new password"),
                    ("bulk_forget_devices", "Can forget many devices"),
                    ("bulk_rescore", "Can have the risk service asked again about many sign-ins"),
                    ("bulk_anonymise", "Can anonymise many sign-ins"),
                    ("bulk_export", "Can export many rows"),
                    ("approve_bulkjob", "Can approve another person's bulk job"),
                ]
            },
        ),
        migrations.AlterModelOptions(
            name="run",
            options={
                "permissions": [
                    ("resume_run", "Can resume a failed run"),
                    ("retry_step", "Can have a step tried again at once"),
                    ("skip_step", "Can have a run go on without a step"),
                    ("cancel_run", "Can cancel a run"),
                    ("run_again", "Can have a run do what it left out"),
                ]
            },
        ),
        migrations.AlterField(
            model_name="bulkjob",
            name="selection",
            field=models.JSONField(
                help_text="ids, or the query string of the admin's list, or that it is all; and the newest row by then"
            ),
        ),
        # Last, as it locks its table until the end.
        migrations.AddIndex(
            model_name="bulkjob",
            index=models.Index(fields=["finished_at"], name="bulk_job_by_end"),
        ),
    ]
