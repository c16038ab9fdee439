"""The kinds of files that clients upload."""

from .audio import Kind

EXPERIMENTAL = (("strict", "experimental"),)
STREAMED = {
    "wav": Kind("wav", "pcm_s16le", layout="stereo"),
    "wav-stream": Kind("wav", "pcm_s16le", rate=16_000, seekable=False),
    "wav-8-bit": Kind("wav", "pcm_u8", rate=24_000),  # libav looks at 64 KiB of a WAV first
    "wav-float": Kind("wav", "pcm_f32le", rate=96_000),
    "mp3": Kind("mp3", "libmp3lame", layout="stereo"),
    "mp3-bare": Kind("mp3", "libmp3lame", rate=22_050, options=(("id3v2_version", "0"),)),
    "webm": Kind("webm", "libopus", rate=48_000, layout="stereo"),
    "webm-live": Kind("webm", "libopus", rate=48_000, seekable=False, options=(("live", "1"),)),
    "webm-video": Kind("webm", "libopus", rate=48_000, video="libvpx"),
    "webm-vorbis": Kind("webm", "vorbis", layout="stereo", codec_options=EXPERIMENTAL),
    "ogg-opus": Kind("ogg", "libopus", rate=48_000, layout="stereo"),
    "ogg-vorbis": Kind("ogg", "vorbis", layout="stereo", codec_options=EXPERIMENTAL),
    "flac": Kind("flac", "flac", layout="stereo"),
    "flac-5.1": Kind("flac", "flac", rate=48_000, layout="5.1"),
    "aac": Kind("adts", "aac", layout="stereo"),
    "au": Kind("au", "pcm_s16be", layout="stereo"),
    "au-stream": Kind("au", "pcm_mulaw", rate=8_000, seekable=False),
    "wave64": Kind("w64", "pcm_s16le", layout="stereo"),
    "wave64-stream": Kind("w64", "pcm_f32le", rate=16_000, seekable=False),
    "rf64": Kind("wav", "pcm_s24le", options=(("rf64", "always"),)),
}
SPOOLED = {
    "m4a": Kind("ipod", "aac", layout="stereo"),
    "m4a-lossless": Kind("ipod", "alac"),
    "mp4-pieces": Kind("mp4", "aac", options=(("movflags", "frag_keyframe+empty_moov"),)),
    "mp4-video": Kind("mp4", "aac", video="mpeg4"),
    "aiff": Kind("aiff", "pcm_s16be", layout="stereo"),
    "aiff-8-bit": Kind("aiff", "pcm_s8", rate=22_050),
    "aifc-float": Kind("aiff", "pcm_f32be"),
    "aifc-little-endian": Kind("aiff", "pcm_s16le"),
    "aifc-ima4": Kind("aiff", "adpcm_ima_qt"),
    "caf": Kind("caf", "pcm_s16le", layout="stereo"),
    "caf-float": Kind("caf", "pcm_f32be"),
    "caf-lossless": Kind("caf", "alac"),
}
