from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0008_filters'),
    ]

    operations = [
        migrations.AddField(
            model_name='verdict',
            name='earlier',
            field=models.JSONField(help_text="what it said before it was asked again: list of this model's values, the oldest first", null=True),
        ),
    ]
