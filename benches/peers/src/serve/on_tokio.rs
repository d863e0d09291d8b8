//! What the servers on tokio share.

use std::error::Error;
use std::io;
use std::net::TcpListener;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{REQUEST, RESPONSE};

pub type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Accepts for ever on a runtime of one thread, and spawns a task for each connection.
pub fn run<F>(listener: TcpListener, serve: fn(TcpStream) -> F) -> io::Result<()>
where
    F: Future<Output = Outcome> + Send + 'static,
{
    listener.set_nonblocking(true)?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // Load generators leave without a Close frame.
            tokio::spawn(async move { drop(serve(stream).await) });
        }
    })
}

/// Reads the request and answers it. What it needs is gone from the task afterwards.
pub async fn open(mut stream: TcpStream) -> io::Result<TcpStream> {
    Box::pin(async move {
        let mut request = vec![0; REQUEST.len()];
        stream.read_exact(&mut request).await?;
        stream.write_all(RESPONSE).await?;
        Ok(stream)
    })
    .await
}
