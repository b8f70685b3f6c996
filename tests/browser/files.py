"""Files as a Spanish shop's till writes them."""

import random
from datetime import date, timedelta
from pathlib import Path

CUSTOMERS = 400
GIVEN = ("Ana", "Bruno", "Carla", "Íñigo", "María José", "Núria", "João", "Begoña")
FAMILY = ("García", "López Peña", "Muñoz", "Etxeberria", "de la Fuente", "Gonçalves", "Vázquez", "Ibáñez")


def people(path: Path) -> int:
    """Who they are and how to reach them; how many."""
    rows = [
        f"{1000 + n};{GIVEN[n % 8]};{FAMILY[n // 8 % 8]};6{n:08d};cliente{n}@example.com;Pamplona"
        for n in range(CUSTOMERS)
    ]
    _write(path, "Nº cliente;Nombre;Apellidos;Teléfono móvil;Correo electrónico;Ciudad", rows)
    return len(rows)


def purchases(path: Path, until: date) -> tuple[int, int]:
    """Two years of tickets, everyone at a rhythm of their own, a third silent for some time; rows and cents in all."""
    chance = random.Random(20)
    rows, cents_in_all = [], 0
    for n in range(CUSTOMERS):
        day, rhythm = until - timedelta(days=chance.randint(200, 720)), chance.randint(9, 45)
        last = until - timedelta(days=chance.randint(30, 150) if n % 3 == 0 else 0)
        while day <= last:
            cents = chance.randint(450, 14_000) * (3 if n % 10 == 0 else 1)
            euros = f"{cents // 100:,}".replace(",", ".")
            rows.append((day, f"{1000 + n};{day:%d/%m/%Y};{euros},{cents % 100:02d} €"))
            cents_in_all += cents
            day += timedelta(days=max(1, round(chance.gauss(rhythm, rhythm / 5))))
    rows.sort()
    _write(path, "Nº cliente;Fecha;Importe;Nº ticket", [f"{row};T{n:06d}" for n, (_day, row) in enumerate(rows)])
    return len(rows), cents_in_all


def damaged(path: Path) -> tuple[int, int]:
    """A log in which every fourth day does not exist: good rows and bad ones."""
    days = [f"{3 + n % 20:02d}/05/2025" if n % 4 else "31/02/2025" for n in range(80)]
    _write(
        path, "Nº cliente;Fecha;Importe;Nº ticket", [f"{1000 + n % 9};{day};12,50;D{n}" for n, day in enumerate(days)]
    )
    return sum(day != "31/02/2025" for day in days), days.count("31/02/2025")


def _write(path: Path, header: str, rows: list[str]) -> None:
    path.write_text("\n".join([header, *rows, ""]), encoding="windows-1252")
