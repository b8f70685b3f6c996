from django.db import migrations

# What no row ever changes, and what may be emptied once the customer it belongs to is erased: whatever may name them.
FACTS = {
    "customers_purchase": (
        "id, source, customer_id, day, amount, currency, cost, channel, branch",
        "key, at, tenders, refund_of, recorded_at",
    ),
    "customers_purchaseline": ("id, purchase_id, number, sku, category, quantity, amount", "name"),
    "customers_consent": ("id, customer_id, channel, purpose, status, basis, evidence, source, at", ""),
    "customers_event": ("id, kind, customer_id, occurred_at, recorded_at, source, channel", "key"),
}
IS_ERASED = "EXISTS (SELECT 1 FROM customers_customer c WHERE c.erased_at IS NOT NULL AND c.id = {owner})"
MAY = {
    "customers_purchase": IS_ERASED.format(owner="OLD.customer_id") + " AND (NEW.key = OLD.key OR {made})",
    "customers_purchaseline": IS_ERASED.format(
        owner="(SELECT p.customer_id FROM customers_purchase p WHERE p.id = OLD.purchase_id)"
    )
    + " AND NEW.name = ''",
    "customers_event": IS_ERASED.format(owner="OLD.customer_id") + " AND {made}",
}
MADE = "NEW.key LIKE 'erased:%'"
SAID = "%s holds facts: a row is never changed, another row follows it"


def guard(apps, schema_editor):
    """A later migration that alters one of these tables on SQLite rebuilds it without its triggers: make them again."""
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    for table, (never, erased) in FACTS.items():
        _drop(schema_editor, table)
        if is_postgresql:
            does = "FOR EACH ROW EXECUTE FUNCTION customers_facts_stay()"
        else:
            does = f"BEGIN SELECT RAISE(ABORT, '{SAID % table}'); END"
        schema_editor.execute(f"CREATE TRIGGER {table}_stays BEFORE UPDATE OF {never} ON {table} {does}", params=None)
        if not erased:
            continue
        may = MAY[table].format(made=MADE)
        if is_postgresql:
            function = f"""
                CREATE OR REPLACE FUNCTION {table}_names() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    IF {may} THEN RETURN NEW; END IF;
                    RAISE EXCEPTION '{SAID % "%"}', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
                END $$"""
            schema_editor.execute(function, params=None)
            does = f"FOR EACH ROW EXECUTE FUNCTION {table}_names()"
            schema_editor.execute(
                f"CREATE TRIGGER {table}_names BEFORE UPDATE OF {erased} ON {table} {does}", params=None
            )
        else:
            schema_editor.execute(
                f"CREATE TRIGGER {table}_names BEFORE UPDATE OF {erased} ON {table} WHEN NOT ({may}) {does}",
                params=None,
            )


def guard_as_before(apps, schema_editor):
    from importlib import import_module

    for table in FACTS:
        _drop(schema_editor, table)
    import_module("querencia.customers.migrations.0006_facts_are_never_changed").guard(apps, schema_editor)


def _drop(schema_editor, table):
    on = f" ON {table}" if schema_editor.connection.vendor == "postgresql" else ""
    for name in ("stays", "names"):
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {table}_{name}{on}")


class Migration(migrations.Migration):
    dependencies = [("customers", "0016_people_are_erased")]
    operations = [migrations.RunPython(guard, guard_as_before)]
