from django.db import migrations

COLUMNS = [
    ("customers_customer", "key", "varchar(200)"),
    ("customers_identifier", "value", "varchar(254)"),
    ("customers_searchterm", "term", "varchar(60)"),
    ("customers_purchase", "key", "varchar(200)"),
    ("customers_event", "key", "varchar(200)"),
]


def in_byte_order(apps, schema_editor):
    # SQLite compares text byte by byte already. PostgreSQL follows the server's language, in which a search by first
    # letters cannot use an index and every comparison is slower.
    if schema_editor.connection.vendor == "postgresql":
        for table, column, kind in COLUMNS:
            schema_editor.execute(f'ALTER TABLE {table} ALTER COLUMN "{column}" TYPE {kind} COLLATE "C"')


class Migration(migrations.Migration):
    dependencies = [("customers", "0001_initial")]
    operations = [migrations.RunPython(in_byte_order, migrations.RunPython.noop)]
