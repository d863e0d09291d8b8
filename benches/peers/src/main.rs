//! websocket-proto beside its peers: see README.md.

mod clock;
mod community;
mod copies;
mod decode;
mod deflate;
mod echo;
mod encode;
mod floor;
mod fresh;
mod idle;
mod load;
mod memory;
mod options;
mod payload;
mod peers;
mod plot;
mod process;
mod race;
mod results;
mod serve;
mod shape;
mod svg;
mod wire;

use std::error::Error;
use std::path::Path;

use options::Options;

const USAGE: &str = "usage: peers BENCH [--rows A,B] [--row A] [--peers A,B] [--rounds N] [--quick]
benches: decode encode echo idle community deflate
decode, encode: [--shapes A,B] in place of their columns, in bytes: [..]SIZE[/FRAGMENT][@READ]
plot: pictures of what they have measured";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((bench, rest)) = arguments.split_first() else { return Err(USAGE.into()) };
    if let ("serve", [server]) = (bench.as_str(), rest) {
        return serve::run(server);
    }
    let options = Options::parse(rest)?;
    // Some peers ask for the clock of a runtime.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _guard = runtime.enter();
    match bench.as_str() {
        "decode" => decode::run(&options),
        "encode" => encode::run(&options),
        "echo" => echo::run(&options),
        "community" => community::run(&options),
        "deflate" => deflate::run(&options),
        "plot" => plot::run(),
        "idle" => idle::run(&options),
        _ => Err(USAGE.into()),
    }
}

/// Where this crate lies: results and plots go there.
fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
