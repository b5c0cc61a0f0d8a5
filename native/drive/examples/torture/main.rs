//! Loads a drive until it is killed, and says afterwards whether anything acknowledged was lost or anything else came to light.
//!
//! ```text
//! torture write PATH RUN [seconds]   opens the drive at PATH (a directory or device; formats a blank one), loads it for ever, for
//!                                    so long, or (`full`) until it is full, and prints "B key version kind" before and "A key version kind" after each write
//! torture check PATH < LINES         opens the drive and compares it with the lines of all runs so far; with `lagging` behind PATH
//!                                    the last lines may have been lost, and newer versions than were seen are fine
//! torture brim PATH                 fills the drive, deletes half, writes again, and compares all that with what the drive holds
//! ```
//! RUN numbers rise from run to run; versions of a key rise within a run and from run to run. Contents follow from key and version.

mod brim;
mod check;
mod content;
mod write;

use openlake_drive::{Adoption, Drive, DriveOptions, MountCheck};
use openlake_io::Runtime;
use std::path::PathBuf;
use std::process::ExitCode;
use write::Until;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["write", path, run] => write::write(path, number(run), Until::Killed),
        ["write", path, run, "full"] => write::write(path, number(run), Until::Full),
        ["write", path, run, seconds] => write::write(path, number(run), Until::Seconds(number(seconds))),
        ["brim", path] => brim::brim(path),
        ["check", path] => check::check(path, false),
        ["check", path, "lagging"] => check::check(path, true),
        _ => Err("expected: write PATH RUN [SECONDS or full], brim PATH, or check PATH with the printed lines as input".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("torture: {text}");
            ExitCode::FAILURE
        }
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("'{text}' is not a number"))
}

/// A runtime of the best engine that works here.
fn runtime() -> Result<Runtime, String> {
    Runtime::new(Runtime::probe().0).map_err(|error| format!("there is no I/O engine: {error}"))
}

async fn open(runtime: &Runtime, path: &str) -> Result<Drive, String> {
    let options = DriveOptions {
        path: PathBuf::from(path),
        cluster: [9; 16],
        set: 0,
        slot: 0,
        set_epoch: 1,
        mount_check: MountCheck::Directory,
        adoption: Adoption::FormatNew,
        capacity_bytes: std::env::var("TORTURE_CAPACITY_BYTES").ok().map(|text| number(&text)),
        cache_bytes: 1 << 20,
        index_bytes: 2 << 20,
        boot_at_least: 0,
    };
    Drive::open(runtime, options).await.map_err(|error| format!("{path}: {error:?}"))
}
