"""The page of members: they come in by a code that is mailed to them, and see what they have and why.

Whoever is not known is answered as everybody is: that a code is on its way, if the address is known.
"""

import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import quote

from django import forms
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from querencia.business import queries as business
from querencia.common.time import now
from querencia.flows import member_door, tasks
from querencia.loyalty import actions, queries, wallet
from querencia.loyalty.models import Programme
from querencia.loyalty.queries import referrals
from querencia.web import friends_words, member_card, membership, rewarding
from querencia.web.accounts import client_address
from querencia.web.portal import limits
from querencia.web.templatetags.house import language

ASKED, INSIDE, SAID = "club_asked", "club_inside", "club_said"
SALT = "querencia.portal.newcomer"
STAY_SECONDS = 24 * 3600
TRIES = 5
# Of one address, and of one place that asks, in a quarter of an hour.
CODES, CODES_OF_PLACE, SECONDS = 4, 20, 900
SHOWN = 30

type Page = Callable[..., HttpResponse]


class AddressForm(forms.Form):
    email = forms.EmailField(
        label=gettext_lazy("Your e-mail"), max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )


class JoinForm(AddressForm):
    given_name = forms.CharField(
        label=gettext_lazy("Your first name"),
        max_length=80,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "given-name"}),
    )
    shows_name = forms.BooleanField(
        label=gettext_lazy("My friend may read my first name, and see how far I have come"), required=False
    )
    r = forms.CharField(widget=forms.HiddenInput, max_length=80, required=False)
    field_order = ("given_name", "email")


def private(page: Page) -> Page:
    """Kept by no browser and no proxy on the way, and named to nobody else."""

    @never_cache
    @wraps(page)
    def answer(request: HttpRequest, **rest: Any) -> HttpResponse:
        response = page(request, **rest)
        response.headers["X-Robots-Tag"] = "noindex"
        return response

    return answer


def inside(request: HttpRequest) -> int:
    """The customer who came in, or 0."""
    kept = request.session.get(INSIDE) or {}
    return int(kept["customer"]) if kept.get("until", 0) > now().timestamp() else 0


@require_http_methods(["GET", "HEAD"])
@private
def club(request: HttpRequest) -> HttpResponse:
    """What a member has; whoever is not in yet is asked for their address."""
    customer = inside(request)
    if not customer:
        return show(request, "portal/club_door.html", form=AddressForm(), programmes=queries.running(at=now()))
    cards, offered = [], []
    for programme in queries.programmes():
        members = queries.members_of(programme, [customer])[customer]
        if any(each.left_at is None for each in members):
            card = membership.card(programme, members, size=SHOWN)
            card |= {"qr": member_card.qr(card["member"]), "share": _to_share(request, card)}
            cards.append(card | {"rewards": rewarding.of_member(programme, card["member"], at=now())})
        elif programme in queries.running(at=now()):
            offered.append(programme)
    said = request.session.pop(SAID, "")
    return show(
        request,
        "portal/club.html",
        cards=cards,
        offered=offered,
        said=friends_words.faults().get(said, ""),
        has_wallet=wallet.signer() is not None,
    )


def _to_share(request: HttpRequest, card: dict[str, Any]) -> dict[str, str]:
    """The link by which friends join, as a picture and as a message in the member's language."""
    friends = card["friends"]
    if not friends or not friends["code"]:
        return {}
    link = request.build_absolute_uri(f"{reverse('club_join')}?r={friends['code']}")
    text = _("Join %(programme)s by my link, it is free: %(link)s") % {"programme": card["programme"], "link": link}
    return {"link": link, "qr": member_card.picture(link), "text": text, "mail": f"mailto:?{_query(text, 'body')}",
            "chat": f"https://wa.me/?{_query(text, 'text')}"}  # fmt: skip


def _query(text: str, name: str) -> str:
    return f"{name}={quote(text, safe='')}"


@require_http_methods(["GET", "POST"])
@private
def ask(request: HttpRequest) -> HttpResponse:
    """Mail a code to an address that somebody here has."""
    form = AddressForm(request.POST or None)
    if request.method == "GET" or not form.is_valid():
        return show(request, "portal/club_door.html", form=form if form.is_bound else AddressForm())
    address = member_door.written(form.cleaned_data["email"])
    people = member_door.people_at(address)
    return _mail(request, address, address if people else "", customer=_member_of(people), newcomer="")


@require_http_methods(["GET", "POST"])
@private
def join(request: HttpRequest) -> HttpResponse:
    """Join by an address that one proves to be one's own; known or not, it is asked the same."""
    running = queries.running(at=now())
    code = request.POST.get("r", request.GET.get("r", ""))[:80]
    form = JoinForm(request.POST or None, initial={"r": code})
    if not running or request.method == "GET" or not form.is_valid():
        invitation = _invitation(running, code)
        return show(request, "portal/club_join.html", form=form, programmes=running, invitation=invitation)
    address = member_door.written(form.cleaned_data["email"])
    given = form.cleaned_data
    parts = [address, given["given_name"], language(), given["r"], given["shows_name"]]
    newcomer = signing.dumps(parts, salt=SALT)
    return _mail(request, address, address, customer=0, newcomer=newcomer)


def _invitation(running: list[Programme], code: str) -> str:
    """What a friend's code is worth to whoever joins by it; nobody is named."""
    programme = referrals.programme_of(code) if code else None
    terms = referrals.in_force(programme, at=now()) if programme in running and programme else None
    return friends_words.invitation(terms[1], programme.currency) if terms and programme else ""


def _member_of(people: list[int]) -> int:
    """Of several who share an address the first who is a member, else the first."""
    for programme in queries.programmes():
        members = queries.members_of(programme, people)
        for pk in people:
            if any(each.left_at is None for each in members[pk]):
                return pk
    return people[0] if people else 0


def _mail(request: HttpRequest, asked: str, address: str, *, customer: int, newcomer: str) -> HttpResponse:
    """``address`` is where the code goes, or empty: nobody gets one, and everything else is the same."""
    place = f"place:{client_address(request)}"
    if not limits.may_try(place, times=CODES_OF_PLACE, seconds=SECONDS) or not limits.may_try(
        f"address:{asked}", times=CODES, seconds=SECONDS
    ):
        return _too_often(request)
    nonce = secrets.token_urlsafe(24)
    until = now().timestamp() + member_door.MINUTES * 60
    request.session[ASKED] = {"nonce": nonce, "customer": customer, "newcomer": newcomer, "until": until}
    tasks.send_code(address, nonce, language())
    return redirect("club_code")


@require_http_methods(["GET", "POST"])
@private
def code(request: HttpRequest) -> HttpResponse:
    """The code is typed in: five times at most, within minutes, where it was asked for."""
    asked = request.session.get(ASKED)
    if not asked or asked["until"] < now().timestamp():
        request.session.pop(ASKED, None)
        return redirect("club")
    problem = ""
    if request.method == "POST":
        if not limits.may_try(f"code:{asked['nonce']}", times=TRIES, seconds=SECONDS):
            del request.session[ASKED]
            return _too_often(request)
        typed = "".join(letter for letter in request.POST.get("code", "") if letter.isdecimal())
        if constant_time_compare(typed, member_door.code_of(asked["nonce"])) and (customer := _who(request, asked)):
            del request.session[ASKED]
            request.session.cycle_key()
            request.session[INSIDE] = {"customer": customer, "until": now().timestamp() + STAY_SECONDS}
            return redirect("club")
        problem = _("This is not the code. Look at the latest message.")
    return show(request, "portal/club_code.html", problem=problem, minutes=member_door.MINUTES)


def _who(request: HttpRequest, asked: dict[str, Any]) -> int:
    if not asked["newcomer"]:
        return int(asked["customer"])
    newcomer = member_door.Newcomer(*signing.loads(asked["newcomer"], salt=SALT, max_age=member_door.MINUTES * 60 + 60))
    running = queries.running(at=now())
    if not running:
        return 0
    of_code = referrals.programme_of(newcomer.code) if newcomer.code else None
    programme = of_code if of_code in running and of_code else running[0]
    member, claimed = member_door.join(programme=programme, newcomer=newcomer, at=now())
    request.session[SAID] = claimed
    return member.customer_id if member else 0


@require_POST
@private
def enrol(request: HttpRequest) -> HttpResponse:
    if (customer := inside(request)) and (programme := named(request)) in queries.running(at=now()):
        actions.enrol(programme=programme, members=[actions.NewMember(customer)], at=now())
    return redirect("club")


@require_POST
@private
def share(request: HttpRequest) -> HttpResponse:
    """A link of one's own to bring friends with."""
    if (customer := inside(request)) and (programme := named(request)):
        actions.share(members=queries.members_of(programme, [customer])[customer], at=now())
    return redirect("club")


@require_POST
@private
def leave(request: HttpRequest) -> HttpResponse:
    """Leave a programme: said twice, by a box and a button."""
    customer, programme = inside(request), named(request)
    if customer and programme and request.POST.get("sure") == "1":
        actions.leave(members=queries.members_of(programme, [customer])[customer], at=now())
    return redirect("club")


@require_POST
@private
def log_out(request: HttpRequest) -> HttpResponse:
    request.session.pop(INSIDE, None)
    return redirect("club")


def named(request: HttpRequest) -> Programme | None:
    asked = request.POST.get("programme", "")
    return next((each for each in queries.programmes() if str(each.pk) == asked), None)


def _too_often(request: HttpRequest) -> HttpResponse:
    response = render(request, "portal/club_later.html", {"house": business.business()}, status=429)
    response.headers["Retry-After"] = str(SECONDS)
    return response


def show(request: HttpRequest, page: str, **context: Any) -> HttpResponse:
    return render(request, page, {"house": business.business(), **context})
