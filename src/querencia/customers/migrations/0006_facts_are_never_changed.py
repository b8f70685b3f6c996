from django.db import migrations

# Of an event everything but its properties: these may hold free text, which goes when a person is erased.
FACTS = {
    "customers_purchase": "",
    "customers_purchaseline": "",
    "customers_consent": "",
    "customers_event": "OF id, kind, customer_id, occurred_at, recorded_at, source, channel, key",
}
SAID = "%s holds facts: a row is never changed, another row follows it"


def guard(apps, schema_editor):
    """A later migration that alters one of these tables on SQLite rebuilds it without its trigger: make it again."""
    if schema_editor.connection.vendor == "postgresql":
        function = f"""
            CREATE OR REPLACE FUNCTION customers_facts_stay() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION '{SAID % "%"}', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
            END $$"""
        schema_editor.execute(function, params=None)
    for table, columns in FACTS.items():
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {table}_stays{_on(schema_editor, table)}")
        if schema_editor.connection.vendor == "postgresql":
            does = "FOR EACH ROW EXECUTE FUNCTION customers_facts_stay()"
        else:
            does = f"BEGIN SELECT RAISE(ABORT, '{SAID % table}'); END"
        schema_editor.execute(f"CREATE TRIGGER {table}_stays BEFORE UPDATE {columns} ON {table} {does}")


def unguard(apps, schema_editor):
    for table in FACTS:
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {table}_stays{_on(schema_editor, table)}")


def _on(schema_editor, table):
    return f" ON {table}" if schema_editor.connection.vendor == "postgresql" else ""


class Migration(migrations.Migration):
    dependencies = [("customers", "0005_the_database_knows_the_words")]
    operations = [migrations.RunPython(guard, unguard)]
