"""What tests of several folders share: ``from tests.support.videos.media import make_video``.

``videos``: media files and packets; ``streams``: live cameras and pipelines; ``models``: small aligners and spaces;
``recorded``: indexes and event logs on disk; ``serving``: servers and their faults; ``programs``: the daemon and its
page; ``documents``: blocks of documents, and the programs that write documents.
"""
