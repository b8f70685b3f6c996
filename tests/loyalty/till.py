"""A till that spends points until none are left: ``python -m tests.loyalty.till NAME MEMBER POINTS TRIES``. Waits for a
line on its input, and says in the end how often it could."""

import sys


def main() -> None:
    import django

    django.setup()
    from django.db import connection

    from querencia.loyalty import actions
    from querencia.loyalty.models import Member
    from tests.loyalty.shop import AT

    name, pk, points, tries = sys.argv[1], *map(int, sys.argv[2:5])
    member = Member.objects.select_related("programme").get(pk=pk)
    club = member.programme
    connection.close()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    spent = 0
    for number in range(tries):
        key = f"{name}-{number}"
        [held] = actions.hold(programme=club, holds=[actions.NewHold(member.pk, key, points)], at=AT)
        if held.result == "created":
            [done] = actions.capture(programme=club, captures=[actions.Capture(key)], at=AT)
            spent += done.result == "created"
        else:
            assert held.result == "insufficient", held
    sys.stdout.write(f"{spent}\n")


if __name__ == "__main__":
    main()
