"""Pipecat's OpenAIRealtimeSTTService in a pipeline."""

import asyncio

from pipecat.audio.utils import create_stream_resampler
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.openai.stt import OpenAIRealtimeSTTService
from pipecat.workers.runner import WorkerRunner

from tests.clients.recording import RATE, Account, Options, run

PIPELINE_RATE = 16_000
"""Samples a second that Pipecat's own voice activity detection takes."""


class _Listener(FrameProcessor):
    """The end of the pipeline: takes down what the service heard."""

    def __init__(self, account: Account) -> None:
        super().__init__()
        self.account = account

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InterimTranscriptionFrame):
            self.account.interim(frame.text)
        elif isinstance(frame, TranscriptionFrame):
            self.account.final(frame.text)
        await self.push_frame(frame, direction)


async def listen(options: Options, account: Account) -> None:
    """Transcribe the recording."""
    worker = PipelineWorker(
        Pipeline([*_services(options), _Listener(account)]),
        params=PipelineParams(audio_in_sample_rate=PIPELINE_RATE),
        cancel_on_idle_timeout=False,
        enable_rtvi=False,
    )
    started = asyncio.Event()
    worker.add_event_handler("on_pipeline_started", lambda _worker, _frame: started.set())
    worker.add_event_handler("on_pipeline_error", lambda _worker, frame: account.error(frame.error))
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await started.wait()
    resampler = create_stream_resampler()
    async for piece in account.play(options):
        audio = await resampler.resample(piece, RATE, PIPELINE_RATE)
        await worker.queue_frame(InputAudioRawFrame(audio, PIPELINE_RATE, 1))
    await account.complete(options)
    await worker.stop_when_done()
    await running


def _services(options: Options) -> list[FrameProcessor]:
    """Return what stands before the listener."""
    address = options.openai_url.replace("http", "ws", 1) + "/realtime"
    if options.mode == "server-vad":
        return [
            OpenAIRealtimeSTTService(
                api_key="unused",
                base_url=address,
                settings=OpenAIRealtimeSTTService.Settings(model="gpt-transcribe"),
                turn_detection={"type": "server_vad"},
            )
        ]
    return [
        VADProcessor(vad_analyzer=SileroVADAnalyzer()),
        OpenAIRealtimeSTTService(api_key="unused", base_url=address),
    ]


if __name__ == "__main__":
    run(listen, "own-vad", "server-vad")
