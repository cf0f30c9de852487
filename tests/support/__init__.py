"""What tests of several folders share, one module a subject: ``from tests.support.media import make_video``."""
