from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("workflows", "0011_bulk_jobs")]

    operations = [
        migrations.AddField(
            model_name="bulklane",
            name="written",
            field=models.JSONField(help_text="what became of rows that are not counted yet", null=True),
        ),
    ]
