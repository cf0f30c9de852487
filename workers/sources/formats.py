"""Which container formats are read from where (``format_whitelist``, https://ffmpeg.org/ffmpeg-formats.html).

Only formats that hold everything themselves. A playlist (HLS, DASH), a script (ffconcat), a session description or a
numbered picture makes FFmpeg open whatever it names; an uploaded one could name anything. HLS is read over HTTP, where
``hosts`` decides whom it may name.
"""

_CONTAINERS = "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,mxf,nut,gif,rm,dv,ivf,wtv"
_RAW_VIDEO = "h264,hevc,m4v,mpegvideo,mjpeg,obu,av1,yuv4mpegpipe"
_SOUND = "wav,w64,mp3,aac,ac3,eac3,flac,aiff,caf,amr,au"

FILE_FORMATS = f"{_CONTAINERS},{_RAW_VIDEO},{_SOUND}"
HTTP_FORMATS = f"hls,mpjpeg,webvtt,{FILE_FORMATS}"

# How text begins that names other files, for a clear word: the formats themselves are not on the lists.
POINTING = (b"#EXTM3U", b"ffconcat", b"<?xml", b"<MPD", b"v=0", b"# VobSub", b"[playlist]")
