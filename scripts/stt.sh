#!/bin/sh
# Record from the microphone until Ctrl-C, send it to the gateway as it is spoken, print what was said.
# Usage: stt.sh [URL]    (needs ffmpeg and curl; Linux or macOS)
set -eu
url=${1:-http://localhost:8080}

case $(uname -s) in
Darwin) format=avfoundation device=${STT_DEVICE:-:default} ;;
*) format=${STT_FORMAT:-pulse} device=${STT_DEVICE:-default} ;;
esac
for tool in ffmpeg curl; do
    command -v "$tool" >/dev/null || { echo "stt.sh: $tool is needed" >&2; exit 1; }
done

echo "Speak; Ctrl-C ends it." >&2
# Ctrl-C is for ffmpeg, which then ends the upload; curl and this shell wait for the last words.
trap '' INT
(
    trap - INT
    exec ffmpeg -nostdin -loglevel error -f "$format" -i "$device" \
        -ac 1 -c:a libopus -b:a 32k -page_duration 20000 -flush_packets 1 -f ogg -
) | curl -sS -T - -H 'Content-Type: audio/ogg' -H 'Expect:' -X POST "$url/stt"
