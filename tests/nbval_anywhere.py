"""Tell nbval where its sanitize file is; it takes a path from where pytest was typed."""


def pytest_configure(config):
    config.option.nbval_sanitize_with = str(config.rootpath / "tests" / "nbval_sanitize.cfg")
