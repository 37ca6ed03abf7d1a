"""Numbers and names as charts and tables write them."""


def si(value: float) -> str:
    """A count with its prefix: 7.36 G."""
    for limit, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g} {prefix}"
    return f"{value:.3g}"


def duration(seconds: float) -> str:
    """Seconds with three digits, as ms below one second."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def short(name: str, length: int = 26) -> str:
    """The end of a long name, which is what tells folders apart."""
    return name if len(name) <= length else f"…{name[1 - length :]}"
