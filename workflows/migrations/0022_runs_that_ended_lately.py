from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('workflows', '0021_what_was_before'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='run',
            index=models.Index(condition=models.Q(('finished_at__isnull', False)), fields=['finished_at'], name='run_ended_lately'),
        ),
    ]
