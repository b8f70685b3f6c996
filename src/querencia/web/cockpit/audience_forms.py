"""For whom a campaign is, in choices, and a list of its members."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from querencia.customers.models.scores import Class, Segment, Stage
from querencia.loyalty import codes
from querencia.loyalty.earning.audience import HELD_OUT, HELD_OUT_MAX

BOXES = ("classes", "stages", "segments", "tiers")
LINES_BYTES_MAX = 2_000_000
# What the first line of a file may say of those below it.
HEADINGS = (
    *("key", "customer", "customer_key", "customer key", "customer_id", "id", "email", "e-mail", "phone", "card"),
    *("card_number", "clave", "cliente", "clave de cliente", "correo", "teléfono", "tarjeta", "número de tarjeta"),
    *("chave", "chave de cliente", "telefone", "cartão", "número do cartão"),
)


def add_to(form: forms.Form, names: Mapping[str, str]) -> None:
    """The fields of an audience, on the form of a rule. ``names`` of tiers by key."""
    boxes: dict[str, tuple[str, list[tuple[str, Any]]]] = {
        "classes": (gettext("Only of class"), list(Class.choices)),
        "stages": (gettext("Only who by their own rhythm are"), list(Stage.choices)),
        "segments": (gettext("Only in the segment"), list(Segment.choices)),
        "tiers": (gettext("Only who then stand in"), list(names.items())),
    }
    for name, (label, choices) in boxes.items():
        form.fields[f"for_{name}"] = forms.MultipleChoiceField(
            label=label, choices=choices, widget=forms.CheckboxSelectMultiple, required=False
        )
    form.fields["for_list"] = forms.BooleanField(
        label=gettext("Only who is on a list"),
        required=False,
        help_text=gettext("You give the list on the page of the campaign, once this is saved."),
    )
    form.fields["for_grows"] = forms.BooleanField(
        label=gettext("Who comes to belong to it later is taken in every night"), required=False
    )
    form.fields["held_out"] = forms.IntegerField(
        label=gettext("Held out by lot, in percent"),
        min_value=0,
        max_value=HELD_OUT_MAX,
        required=False,
        help_text=gettext("They get nothing of it: only against them you see what it brings. 0: nobody is held out."),
    )


def problem(given: Mapping[str, Any]) -> str:
    """What does not go together; empty, where all does."""
    if given.get("for_list") and (given.get("for_grows") or any(given.get(f"for_{name}") for name in BOXES)):
        return gettext("A list stands alone: choose it, or who belongs by how they buy.")
    return ""


def document(given: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a rule that says for whom it is; empty for everybody without a hold-out."""
    said: dict[str, Any] = {name: given[f"for_{name}"] for name in BOXES if given.get(f"for_{name}")}
    if given.get("for_list"):
        said["list"] = True
    held_out = given.get("held_out") or 0
    if not said and not held_out:
        return {}
    return said | ({"grows": True} if given.get("for_grows") else {}) | {"held_out": held_out}


def initial(audience: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the form shows of that part."""
    if audience is None:
        return {"held_out": 0}
    shown: dict[str, Any] = {f"for_{name}": audience.get(name, []) for name in BOXES}
    shown |= {"for_list": audience.get("list", False), "for_grows": audience.get("grows", False)}
    return shown | {"held_out": audience.get("held_out", HELD_OUT)}


class ListForm(forms.Form):
    """Members for the list of a campaign, typed or in a file."""

    lines = forms.CharField(
        label=_("One on each line"),
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        required=False,
        max_length=LINES_BYTES_MAX,
        help_text=_("Customer key, card number, e-mail or phone."),
    )
    file = forms.FileField(
        label=_("Or a CSV file"), required=False, help_text=_("The first column is read. At most 2 MB, in UTF-8.")
    )

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        file = found.get("file")
        texts = [found.get("lines") or ""]
        if file is not None and file.size > LINES_BYTES_MAX:
            self.add_error("file", gettext("The file has more than 2 MB. Give it in parts."))
        elif file is not None:
            try:
                texts.append(file.read().decode("utf-8-sig"))
            except UnicodeDecodeError:
                self.add_error("file", gettext("The file is not text in UTF-8. Save it as CSV in UTF-8."))
        found["members"] = [member for text in texts for _number, member in codes.read_lines(text.strip(), HEADINGS)]
        if not found["members"] and not self.errors:
            self.add_error("lines", gettext("Name one member at least."))
        return found
