"""A run's client: it is told exactly one reply, whole or streamed, whatever becomes of the run."""

from __future__ import annotations

from collections.abc import Callable

from actors.functions.caller import SessionView
from actors.runs.answer_stream import AnswerStream, StreamRoom
from protocol.errors import NflowError, RunCancelled
from protocol.process import Answer, AnswerBegun, Failure, Pairs, Reply, StartProcess
from protocol.sandbox import ScriptAnswer


class Client:
    """Whom the run answers."""

    __slots__ = ("_inside", "_replied", "_room", "_session", "_start", "_stream", "forked", "headers")

    def __init__(self, start: StartProcess, session: Callable[[], SessionView], room: StreamRoom) -> None:
        self._start = start
        self._session = session
        self._room = room
        self._inside = False
        """Whether it is counted in the room."""
        self._replied = False
        self._stream: AnswerStream | None = None
        self.forked = ""
        """Process id of the last branch forked."""
        self.headers: Pairs = ()
        """Header lines set by nodes before the one that streams."""

    @property
    def stream(self) -> AnswerStream:
        """Where scripts write an answer in chunks."""
        if self._stream is None:
            self._stream = AnswerStream(self._begin_stream, nobody=self._start.alone)
        return self._stream

    @property
    def told(self) -> bool:
        """Whether it has its whole reply."""
        return self._replied and (self._stream is None or self._stream.ended)

    def end(self, reply: Answer | Failure, session: str, answered: ScriptAnswer | None) -> None:
        """The run is over. `answered` is what it answered beside what it streamed."""
        stream = self._stream
        if stream is None or not stream.begun:
            self.tell(reply, session)
        elif isinstance(reply, Failure):
            stream.fail(reply.error)
        else:
            stream.finish(answered.body if answered is not None else b"")

    def leave(self) -> None:
        """The run is gone."""
        if self._inside:
            self._inside = False
            self._room.leave()

    def fail(self, error: NflowError) -> None:
        """Whoever still waits for something has this instead."""
        self.tell(Failure(error), "")
        if self._stream is not None:
            self._stream.fail(error)  # unless it has ended

    def tell(self, reply: Reply, session: str) -> None:
        """The one reply; later ones are dropped."""
        if self._replied:
            return
        self._replied = True
        wid, forked = self._start.wid, self.forked
        if isinstance(reply, Answer):
            reply = Answer(
                reply.status, reply.content_type, reply.body, reply.headers, wid, forked, reply.file, session
            )  # fmt: skip
        elif isinstance(reply, Failure):
            reply = Failure(reply.error, reply.node, wid, forked)
        self._start.reply_to.tell(reply)

    async def _begin_stream(self, status: int, content_type: str, headers: Pairs) -> None:
        """The head of a streamed answer leaves; what changed in the session is written before, as ever."""
        if not self._inside:
            self._room.enter()
            self._inside = True
        session = await self._session().commit()
        if self._replied:
            raise RunCancelled("the run has been answered")
        lines = (*self.headers, *headers)
        self.tell(AnswerBegun(status, content_type, lines, self._start.wid, session, self.stream), session)
