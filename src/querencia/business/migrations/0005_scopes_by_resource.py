"""What keys may is said by resource: `read` and `write` alone opened nothing so far."""

from django.db import migrations

READ = ["customers:read", "consents:read", "purchases:read", "events:read", "scores:read", "measures:read", "merges:read"]
WRITE = ["customers:write", "consents:write", "purchases:write", "events:write"]


def say_by_resource(apps, schema_editor):
    keys = apps.get_model("business", "ApiKey")
    changed = []
    for key in keys.objects.filter(kind="api"):
        said = {"read": READ, "write": WRITE}
        key.scopes = [scope for old in key.scopes for scope in said.get(old, [old])]
        changed.append(key)
    keys.objects.bulk_update(changed, ["scopes"], batch_size=500)


class Migration(migrations.Migration):
    dependencies = [("business", "0004_api_keys")]
    operations = [migrations.RunPython(say_by_resource, migrations.RunPython.noop)]
