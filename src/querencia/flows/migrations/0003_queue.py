from django.db import migrations


def create(_apps, editor):
    """The tables of the queue, as the queue itself describes them; SQLite has them in a file of their own."""
    if editor.connection.vendor != "postgresql":
        return
    from huey.contrib.djhuey import HUEY

    for statement in HUEY.storage.ddl:
        editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("flows", "0002_retention")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
