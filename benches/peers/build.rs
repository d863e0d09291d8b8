//! Compiles the server on uWebSockets, if the feature of that name is on, and hands over either the
//! path of the program or why there is none: without it the bench goes on, and says so.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SERVER: &str = "src/serve/uwebsockets.cpp";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={SERVER}");
    for name in ["CC", "CFLAGS", "CXX", "CXXFLAGS"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    if env::var_os("CARGO_FEATURE_UWEBSOCKETS").is_none() {
        left_out("built without `--features uwebsockets`");
        return;
    }
    match compile() {
        Ok(program) => {
            println!("cargo::rustc-env=UWEBSOCKETS_PROGRAM={}", program.display());
        }
        Err(reason) => {
            // What was missing may be there next time: a file that never is has always changed.
            println!("cargo::rerun-if-changed=uwebsockets-was-left-out");
            println!("cargo::warning=uWebSockets is left out: {reason}");
            left_out(&reason);
        }
    }
}

fn left_out(reason: &str) {
    println!("cargo::rustc-env=UWEBSOCKETS_LEFT_OUT={reason}");
}

/// As its own makefiles do, but for the processors that everybody else is compiled for.
fn compile() -> Result<PathBuf, String> {
    let sources = sources()?;
    let (inner, outer) = (sources.join("uSockets/src"), sources.join("src"));
    let folder = PathBuf::from(variable("OUT_DIR")?);
    let mut objects = Vec::new();
    for file in ["bsd.c", "context.c", "loop.c", "socket.c", "eventing/epoll_kqueue.c"] {
        let object = folder.join(file.replace('/', "-")).with_extension("o");
        let mut compiler = compiler("CC", "cc", "CFLAGS", &inner);
        run(compiler.args(["-std=c11", "-c"]).arg(inner.join(file)).arg("-o").arg(&object))?;
        objects.push(object);
    }
    let program = folder.join("uwebsockets");
    let mut compiler = compiler("CXX", "c++", "CXXFLAGS", &inner);
    compiler.args(["-std=c++20", "-DUWS_NO_ZLIB", "-I"]).arg(outer);
    run(compiler.arg(SERVER).args(&objects).arg("-o").arg(&program))?;
    Ok(program)
}

/// What both languages have in common: optimised as one, TLS left out.
fn compiler(name: &str, default: &str, flags: &str, headers: &Path) -> Command {
    let mut compiler = Command::new(env::var(name).unwrap_or_else(|_| default.to_owned()));
    compiler.args(["-O3", "-flto", "-DLIBUS_NO_SSL", "-I"]).arg(headers);
    compiler.args(env::var(flags).unwrap_or_default().split_whitespace());
    compiler
}

/// Where Cargo has unpacked what Cargo.lock names. The crate is there for the C++ in it, and is not
/// built: that would ask for libclang, TLS and zlib.
fn sources() -> Result<PathBuf, String> {
    let mut cargo = Command::new(variable("CARGO")?);
    cargo.args(["metadata", "--locked", "--format-version", "1", "--features", "uwebsockets"]);
    let output = run(&mut cargo)?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.split("\"manifest_path\":\"")
        .filter_map(|rest| Path::new(rest.split('"').next()?).parent())
        .find(|folder| folder.to_string_lossy().contains("/libuwebsockets-sys-"))
        .map(|folder| folder.join("uWebSockets"))
        .ok_or_else(|| "its sources are not among the dependencies".to_owned())
}

/// One line says why, if it fails.
fn run(command: &mut Command) -> Result<Output, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let line = errors.lines().find(|line| line.contains("error")).unwrap_or_default();
    Err(format!("{name} failed: {line}"))
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}
