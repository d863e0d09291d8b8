//! uWebSockets is C++: its server is a program of its own, which the build script has compiled or
//! not.

/// Its name among the servers. It stands on epoll, without a runtime.
pub const NAME: &str = "uWebSockets (epoll)";

/// Where it is. It says its port as the others do.
pub const PROGRAM: Option<&str> = option_env!("UWEBSOCKETS_PROGRAM");

/// Why there is none.
const LEFT_OUT: Option<&str> = option_env!("UWEBSOCKETS_LEFT_OUT");

/// To be printed with a table that has not got it.
pub fn print_left_out() {
    if let Some(reason) = LEFT_OUT {
        println!("uWebSockets is left out: {reason}.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{exchange, open};
    use crate::process::Process;

    #[test]
    fn messages_of_every_size_are_echoed() {
        if PROGRAM.is_none() {
            return print_left_out();
        }
        let process = Process::start(NAME).expect("it starts");
        let mut streams = [open(process.port).expect("it opens")];
        for size in [0, 20, 16 * 1024, 1024 * 1024] {
            exchange(&mut streams, size).expect("an echo");
        }
    }
}
