//! A connection's byte stream: counts bytes, and fails when the client stops reading.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::activity::ByteCount;

/// A stream that fails when the peer has read nothing for too long while bytes wait for it.
pub(super) struct WatchedStream<S> {
    inner: S,
    bytes: ByteCount,
    stall_timeout: Duration,
    /// Runs while bytes wait to be read.
    stall: Option<Pin<Box<Sleep>>>,
}

impl<S> WatchedStream<S> {
    pub(super) fn new(inner: S, bytes: ByteCount, stall_timeout: Duration) -> Self {
        Self { inner, bytes, stall_timeout, stall: None }
    }

    /// Returns the result of a write, or an error if the write has waited too long.
    fn watch(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(outcome) = written {
            self.stall = None;
            self.bytes.add(*outcome.as_ref().unwrap_or(&0));
            return Poll::Ready(outcome);
        }
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(self.stall_timeout)));
        ready!(stall.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no bytes")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = ready!(Pin::new(&mut self.inner).poll_read(context, buffer));
        self.bytes.add(buffer.filled().len() - before);
        Poll::Ready(outcome)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::{Instant, advance};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_is_cut_after_the_timeout() {
        let (server, _client) = duplex(10);
        let mut server = WatchedStream::new(server, ByteCount::default(), TIMEOUT);
        let start = Instant::now();
        let error = server.write_all(&[0; 11]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!((TIMEOUT..=TIMEOUT + Duration::from_millis(1)).contains(&start.elapsed()), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_a_byte_in_time_is_served() {
        let (server, mut client) = duplex(10);
        let mut server = WatchedStream::new(server, ByteCount::default(), TIMEOUT);
        let writing = tokio::spawn(async move { server.write_all(&[0; 15]).await });
        for _ in 0..15 {
            advance(TIMEOUT - Duration::from_secs(1)).await;
            client.read_u8().await.unwrap();
        }
        writing.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_between_two_writes_is_no_stall() {
        let (server, mut client) = duplex(10);
        let mut server = WatchedStream::new(server, ByteCount::default(), TIMEOUT);
        for _ in 0..3 {
            server.write_all(&[0; 10]).await.unwrap();
            advance(2 * TIMEOUT).await;
            client.read_exact(&mut [0; 10]).await.unwrap();
        }
    }
}
