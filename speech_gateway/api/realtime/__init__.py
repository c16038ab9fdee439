"""OpenAI's realtime API: live transcription, and speech, over a websocket."""
