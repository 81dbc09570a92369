from django.db import migrations
from django.utils import timezone


def note_ends(apps, schema_editor):
    """What is kept of jobs that were stopped, or have failed, goes a week after this, as it does of others."""
    jobs = apps.get_model("workflows", "BulkJob").objects.using(schema_editor.connection.alias)
    jobs.filter(state__in=["stopped", "failed"], finished_at=None).update(finished_at=timezone.now())


class Migration(migrations.Migration):

    dependencies = [("workflows", "0016_queues_of_begun_runs")]

    operations = [migrations.RunPython(note_ends, migrations.RunPython.noop)]
