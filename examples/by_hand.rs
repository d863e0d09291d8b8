//! The protocol without an adapter: `Connection` on a `TcpStream`, std only, a thread a client.
//!
//! ```sh
//! cargo run --release --example by_hand -- --listen 127.0.0.1:5000
//! ```
//!
//! Echoes on any path. This is the run loop of the crate documentation with a handshake in front.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use websocket_proto::connection::{Config, Connection};
use websocket_proto::handshake::{Accept, Reply, ServerConfig, ServerHandshake};
use websocket_proto::{Assembler, Event, Input};

/// Pongs wait while so much is to be written, in bytes.
const HIGH_WATERMARK: usize = 64 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let listen = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => "127.0.0.1:5000".to_owned(),
        [option, address] if option == "--listen" => address.clone(),
        _ => return Err("usage: by_hand [--listen ADDR]".into()),
    };
    let listener = TcpListener::bind(listen)?;
    println!("listening on http://{}", listener.local_addr()?);
    // One connection that could not be accepted is no reason to stop.
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || {
            if let Err(error) = serve(stream) {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

fn serve(mut stream: TcpStream) -> Result<(), Box<dyn Error>> {
    stream.set_nodelay(true)?;
    // A client that takes nothing for so long is given up.
    stream.set_write_timeout(Some(Duration::from_secs(30)))?;
    let mut buffer = vec![0; 16 * 1024];
    let mut out = Vec::new();

    // The opening handshake. What follows its head in the buffer is the first frames.
    let mut handshake = ServerHandshake::new(ServerConfig::default());
    let deadline = Instant::now() + handshake.timeout();
    let rest = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let read = stream.read(&mut buffer);
        let count = *read.as_ref().unwrap_or(&0);
        let mut input = Input::new(&mut buffer[..count]);
        let received = match read {
            Ok(0) => handshake.receive_eof().map(|()| None),
            Ok(_) => handshake.receive(&mut input),
            Err(_) if left.is_zero() => handshake.handle_timeout().map(|()| None),
            Err(error) if is_wait(&error) => Ok(None),
            Err(error) => return Err(error.into()),
        };
        match received {
            Ok(None) => {}
            Ok(Some(request)) if request.is_upgrade() => {
                handshake.accept(&request, &Accept::new(), &mut out)?;
                break count - input.len()..count;
            }
            Ok(Some(_)) => {
                let refusal = Reply::new(426).text("this is a WebSocket endpoint\n");
                handshake.reject(&refusal, &mut out)?;
                return write_last(stream, &out);
            }
            Err(error) => {
                handshake.fail(&mut out);
                write_last(stream, &out)?;
                return Err(error.into());
            }
        }
    };

    let mut connection = Connection::server(&Config::default());
    let mut assembler = Assembler::new();
    let mut input = Input::new(&mut buffer[rest]);
    let start = Instant::now();
    loop {
        // An error stays in the connection, which then has a Close frame to transmit.
        while let Ok(Some(event)) = connection.receive(&mut input) {
            if let Event::Data(piece) = event
                && let Ok(Some(message)) = assembler.push(piece, &mut connection)
            {
                // Fails only once the connection closes: nothing is to be sent then.
                let _ = connection.send(message, &mut out);
            }
            // After each event, so that each of several Pings in one read gets its Pong; a flood of
            // them gets the latest.
            if out.len() < HIGH_WATERMARK {
                connection.poll_transmit(&mut out)?;
            }
        }
        connection.poll_transmit(&mut out)?;
        stream.write_all(&out)?;
        out.clear();
        if connection.should_close_transport() {
            break;
        }
        // An idle connection does not keep what one large message took.
        assembler.release();
        out.shrink_to(HIGH_WATERMARK);
        let deadline = connection.poll_timeout(start.elapsed());
        let left = deadline.map(|at| at.saturating_sub(start.elapsed()));
        stream.set_read_timeout(left.map(|left| left.max(Duration::from_millis(1))))?;
        let count = match stream.read(&mut buffer) {
            Ok(0) => {
                // Without a Close frame before, this is an unclean end.
                connection.receive_eof()?;
                0
            }
            Ok(count) => count,
            Err(error) if is_wait(&error) => {
                // A failure is in the connection as well, and its Close frame is transmitted.
                let _ = connection.handle_timeout(start.elapsed());
                0
            }
            Err(error) => return Err(error.into()),
        };
        input = Input::new(&mut buffer[..count]);
    }
    write_last(stream, &out)
}

/// Whether nothing came before the timeout of the read, or before a signal.
fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Ends a connection without losing what was written last to a reset: ends our side, then reads to
/// the end of theirs.
fn write_last(mut stream: TcpStream, out: &[u8]) -> Result<(), Box<dyn Error>> {
    stream.write_all(out)?;
    stream.shutdown(Shutdown::Write)?;
    let mut discarded = [0; 1024];
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end {
        stream.set_read_timeout(Some(Duration::from_millis(200)))?;
        if stream.read(&mut discarded).is_ok_and(|count| count == 0) {
            break;
        }
    }
    Ok(())
}
