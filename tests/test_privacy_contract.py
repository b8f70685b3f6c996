"""Every room takes part in telling and forgetting: whatever may hold something of a person is answered for."""

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db import models

from querencia.customers.models import Customer
from querencia.flows import privacy

HOUSE = "querencia."
# Of these a field may hold what somebody wrote, or what somebody is.
OPEN = (models.CharField, models.TextField, models.JSONField, models.BinaryField, models.GenericIPAddressField)


def of_house() -> Iterator[tuple[str, type[models.Model]]]:
    for config in apps.get_app_configs():
        if config.name.startswith(HOUSE):
            for model in config.get_models(include_auto_created=True):
                yield config.label, model


def suspects(model: type[models.Model]) -> list[str]:
    """Fields that may hold something of a customer: open text, and a relation to somebody."""
    return [
        field.name
        for field in model._meta.concrete_fields
        if (isinstance(field, OPEN) and not field.choices)
        or (isinstance(field, models.DateField) and "birth" in field.name)
        or (field.is_relation and field.related_model is Customer)
    ]


@pytest.mark.parametrize(("room", "model"), list(of_house()), ids=lambda each: getattr(each, "__name__", each))
def test_every_model_is_answered_for_in_its_rooms_privacy(room: str, model: type[models.Model]) -> None:
    found = privacy.rooms().get(room)
    assert found, f"{room} has models: give it a privacy.py of the shape of customers/privacy.py"
    name = model.__name__
    if name in found.FREE:
        return
    # What a row belongs to is no text: that the row is answered for at all, is enough.
    emptied = set(found.HOLDS.get(name, ()))
    left = {
        field
        for field in suspects(model)
        if field not in emptied
        and f"{name}.{field}" not in found.FREE
        and not (model._meta.get_field(field).is_relation and (emptied or _has_only_free(found, name)))
    }
    assert not left, (
        f"{name}.{left}: name it in HOLDS of {room}/privacy.py and empty it in erase(), or in FREE and say why it "
        "holds nothing of a person"
    )


def _has_only_free(room: privacy.Room, name: str) -> bool:
    return any(known.startswith(f"{name}.") for known in room.FREE)


@pytest.mark.parametrize("room", list(privacy.rooms()))
def test_what_a_room_answers_for_is_there_and_has_a_reason(room: str) -> None:
    found = privacy.rooms()[room]
    known = {model.__name__: model for model in apps.get_app_config(room).get_models()}
    named = {f"{name}.{field}" for name, fields in found.HOLDS.items() for field in fields} | set(found.FREE)
    for each in named:
        name, _dot, field = each.partition(".")
        assert name in known, f"{room}/privacy.py names {each}, which there is not"
        assert not field or field in {one.name for one in known[name]._meta.concrete_fields}, each
    assert all(reason for reason in found.FREE.values())
    assert not named & {f"{name}.{field}" for name in found.FREE for field in found.HOLDS.get(name, ())}


def test_tables_of_libraries_are_answered_for() -> None:
    theirs = {
        (config.label, f"{config.label}.{model.__name__}")
        for config in apps.get_app_configs()
        if not config.name.startswith(HOUSE)
        for model in config.get_models(include_auto_created=True)
    }
    left = {name for label, name in theirs if not {label, name} & privacy.LIBRARIES.keys()}
    assert not left, f"Say in LIBRARIES of flows/privacy.py what {left} hold of customers"


def test_periods_have_names_of_their_own_and_sane_defaults() -> None:
    periods = [period for room in privacy.rooms().values() for period in room.PERIODS]
    assert len({period.name for period in periods}) == len(periods)
    assert all(period.days is None or period.least <= period.days <= 3 * 366 for period in periods)
    assert [period.name for period in periods if period.days is None] == ["people"]
