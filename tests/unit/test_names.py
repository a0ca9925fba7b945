import daemon


def test_the_package_daemon_is_ours() -> None:
    """PyPI's python-daemon installs a package of the same name; the one imported is ours."""
    assert daemon.__doc__ is not None
    assert "precomplaint" in daemon.__doc__
