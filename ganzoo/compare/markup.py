"""HTML and SVG by calls: text is escaped unless it is markup already."""

from html import escape

VOID = frozenset({"img", "meta", "br"})  # elements without an end tag


class Markup(str):
    """Text that is HTML already, and is not escaped again."""

    __slots__ = ()


def tag(
    element: str,
    *children: "str | float | Markup | None",
    **attributes: "str | float | bool | None",
) -> Markup:
    """An element; children that are not `Markup` are escaped, None is left out.

    Args:
        element: its name.
        children: text, numbers or markup, in order.
        attributes: `class_` and the like lose their underscore, others become hyphens; None and False leave
            the attribute out, True gives it no value.
    """
    start = element
    for key, value in attributes.items():
        name = key.rstrip("_").replace("_", "-")
        if value is True:
            start += f" {name}"
        elif value is not None and value is not False:
            start += f' {name}="{escape(str(value))}"'
    if element in VOID:
        return Markup(f"<{start}>")
    return Markup(f"<{start}>{join(*children)}</{element}>")


def join(*children: "str | float | Markup | None") -> Markup:
    """Children one after the other, escaped as in `tag`."""
    return Markup("".join(c if isinstance(c, Markup) else escape(str(c)) for c in children if c is not None))
