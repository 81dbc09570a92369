from django.conf import settings
from django.db import migrations, models

# Not in 0018, which locks the table until its end: this looks at all of its rows.
HEALED = """
    UPDATE workflows_run SET healed = published - 1 - resumed WHERE healed = 0 AND published - 1 - resumed > 0"""


def hand_on_permission(apps, schema_editor):
    """Who could resume many runs by a permission of its own can do so by that of a single one."""
    permissions = apps.get_model("auth", "Permission").objects.using(schema_editor.connection.alias)
    former = permissions.filter(codename="bulk_resume", content_type__app_label="workflows").first()
    if former is None:
        return
    resume = permissions.get(codename="resume_run", content_type__app_label="workflows", content_type__model="run")
    for group in former.group_set.all():
        group.permissions.add(resume)
    for user in former.user_set.all():
        user.user_permissions.add(resume)
    former.delete()


class Migration(migrations.Migration):

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("workflows", "0020_when_it_was_resumed"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunSQL(HEALED, migrations.RunSQL.noop),
        migrations.RunPython(hand_on_permission, migrations.RunPython.noop),
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
