from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('workflows', '0006_steering'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='alert',
            name='alert_unposted',
        ),
        migrations.AddField(
            model_name='breaker',
            name='closed_at',
            field=models.DateTimeField(help_text='when it was last found to be back', null=True),
        ),
        migrations.AddField(
            model_name='breaker',
            name='failing_since',
            field=models.DateTimeField(help_text='when the first of these was', null=True),
        ),
        migrations.AddField(
            model_name='breaker',
            name='probing',
            field=models.BooleanField(default=False, help_text='one asks, until then at most'),
        ),
        migrations.AddIndex(
            model_name='alert',
            index=models.Index(condition=models.Q(('posted_at', None)), fields=['created_at'], name='alert_unposted'),
        ),
    ]
