import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q

STAYS = "loyalty_close holds facts: a closed month is never changed"
CLOSED = "an entry cannot be recorded in a month that is closed"
COLUMNS = "id, programme_id, month, starts_at, ends_at, document, fingerprint, closed_at"


def guard(apps, schema_editor):
    """A later migration that alters one of these tables on SQLite rebuilds it without its triggers: make them again."""
    unguard(apps, schema_editor)
    if schema_editor.connection.vendor != "postgresql":
        does = f"BEGIN SELECT RAISE(ABORT, '{STAYS}'); END"
        schema_editor.execute(f"CREATE TRIGGER loyalty_close_stays BEFORE UPDATE OF {COLUMNS} ON loyalty_close {does}")
        newest = "SELECT ends_at FROM loyalty_close WHERE programme_id = NEW.programme_id ORDER BY month DESC LIMIT 1"
        schema_editor.execute(
            f"CREATE TRIGGER loyalty_entry_lands BEFORE INSERT ON loyalty_entry WHEN NEW.recorded_at < ({newest}) "
            f"BEGIN SELECT RAISE(ABORT, '{CLOSED}'); END"
        )
        return
    does = "FOR EACH ROW EXECUTE FUNCTION loyalty_facts_stay()"
    schema_editor.execute(f"CREATE TRIGGER loyalty_close_stays BEFORE UPDATE OF {COLUMNS} ON loyalty_close {does}")
    schema_editor.execute(f"CREATE TRIGGER loyalty_close_is_kept BEFORE DELETE ON loyalty_close {does}")
    # Once for a statement, however many rows it writes. It waits for whoever closes, and whoever closes waits for it.
    function = f"""
        CREATE FUNCTION loyalty_entry_lands() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            each record;
            closed timestamptz;
        BEGIN
            FOR each IN SELECT programme_id, min(recorded_at) AS first FROM written GROUP BY programme_id LOOP
                SELECT closed_before INTO closed FROM loyalty_programme WHERE id = each.programme_id FOR KEY SHARE;
                IF each.first < closed THEN
                    RAISE EXCEPTION '{CLOSED}' USING ERRCODE = 'integrity_constraint_violation';
                END IF;
            END LOOP;
            RETURN NULL;
        END $$"""
    schema_editor.execute(function, params=None)
    schema_editor.execute(
        "CREATE TRIGGER loyalty_entry_lands AFTER INSERT ON loyalty_entry REFERENCING NEW TABLE AS written "
        "FOR EACH STATEMENT EXECUTE FUNCTION loyalty_entry_lands()"
    )


def unguard(apps, schema_editor):
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    for table, what in (("loyalty_close", "stays"), ("loyalty_close", "is_kept"), ("loyalty_entry", "lands")):
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {table}_{what}{f' ON {table}' if is_postgresql else ''}")
    if is_postgresql:
        schema_editor.execute("DROP FUNCTION IF EXISTS loyalty_entry_lands()")


class Migration(migrations.Migration):
    dependencies = [
        ("loyalty", "0005_terms_of_rewards_are_never_changed"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.AddField(
            model_name="programme",
            name="accounting",
            field=models.JSONField(blank=True, default=dict, verbose_name="accounting"),
        ),
        migrations.AddField(
            model_name="programme",
            name="closed_before",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="closed before"),
        ),
        migrations.CreateModel(
            name="Close",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("month", models.DateField(verbose_name="month")),
                ("starts_at", models.DateTimeField(verbose_name="from")),
                ("ends_at", models.DateTimeField(verbose_name="until")),
                ("document", models.JSONField(verbose_name="document")),
                ("fingerprint", models.CharField(max_length=64, verbose_name="fingerprint")),
                ("closed_at", models.DateTimeField(verbose_name="closed")),
                (
                    "closed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
                (
                    "programme",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="closes",
                        to="loyalty.programme",
                        verbose_name="programme",
                    ),
                ),
            ],
            options={
                "verbose_name": "closed month",
                "verbose_name_plural": "closed months",
                "constraints": [
                    models.UniqueConstraint(fields=("programme", "month"), name="close_once"),
                    models.CheckConstraint(
                        condition=Q(starts_at__lt=F("ends_at")) & Q(ends_at__lte=F("closed_at")),
                        name="close_of_what_is_over",
                    ),
                ],
            },
        ),
        migrations.RunPython(guard, unguard),
    ]
