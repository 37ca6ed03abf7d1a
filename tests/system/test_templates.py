import pytest
from jinja2 import UndefinedError

from ganzoo.system.templates import templates


def test_values_are_escaped_in_markup_and_stand_as_they_are_in_text(tmp_path):
    (tmp_path / "x.j2").write_text("{{ value }}\n")
    for markup, shown in ((True, "a &lt; b\n"), (False, "a < b\n")):
        assert templates(tmp_path, markup=markup).get_template("x.j2").render(value="a < b") == shown


def test_a_field_that_is_not_given_is_an_error(tmp_path):
    (tmp_path / "x.j2").write_text("{{ value }}")
    with pytest.raises(UndefinedError, match="value"):
        templates(tmp_path, markup=True).get_template("x.j2").render()
