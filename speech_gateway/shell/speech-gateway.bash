# Completion of speech-gateway's flags, written by: make config
_speech_gateway() {
    local word=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD-1]}
    # bash takes --flag=value for three words
    if [[ $word == = ]]; then
        word=
    elif [[ $flag == = ]]; then
        flag=${COMP_WORDS[COMP_CWORD-2]}
    fi
    COMPREPLY=()
    [[ $flag == --* ]] || flag=-$flag
    case $flag in
        --config|--token-file|--stt-model|--stt-pipeline|--tts-pipeline|--voices|--client-keys)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return ;;
        --print-completion)
            mapfile -t COMPREPLY < <(compgen -W 'bash zsh fish' -- "$word")
            return ;;
        --log-format)
            mapfile -t COMPREPLY < <(compgen -W 'text json otel ecs' -- "$word")
            return ;;
        --log-level)
            mapfile -t COMPREPLY < <(compgen -W 'debug info warning error' -- "$word")
            return ;;
        --listen|--skit-url|--token|--max-concurrency|--max-body-bytes|--max-tts-text-size|--max-connections|--max-queue|--queue-timeout|--client-timeout|--min-upload-rate|--upstream-timeout|--first-byte-timeout|--drain-timeout|--metrics-listen|--plugin|--wyoming-listen|--max-speech-input|--max-upload-bytes|--max-sockets|--max-session|--trusted-hops|--client-share|--allow-origin)
            return ;;
        --openai|--console|--wyoming-announce|--speech-by-get)
            # may be followed by another flag
            if [[ $word != -* ]]; then
                mapfile -t COMPREPLY < <(compgen -W 'true false' -- "$word")
                return
            fi ;;
    esac
    local dashes=--
    [[ $word == -[!-]* ]] && dashes=-
    mapfile -t COMPREPLY < <(compgen -P "$dashes" -W 'check-config print-config health print-completion version help config listen skit-url token token-file max-concurrency max-body-bytes max-tts-text-size stt-model stt-pipeline tts-pipeline max-connections max-queue queue-timeout client-timeout min-upload-rate upstream-timeout first-byte-timeout drain-timeout metrics-listen plugin openai console wyoming-listen wyoming-announce max-speech-input speech-by-get voices max-upload-bytes max-sockets max-session trusted-hops client-keys client-share allow-origin log-format log-level' -- "${word#"$dashes"}")
}
complete -F _speech_gateway speech-gateway
