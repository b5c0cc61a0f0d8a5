//! `openlake-simulation`: runs seeds until one fails, the number or the time is used up; replays a single seed with all its events.

mod arguments;
mod case;

use case::Case;
use openlake_io::{EngineKind, Runtime};
use openlake_simulation::simulation::Report;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// The first problems say most.
const PROBLEMS_PRINTED: usize = 10;

fn print_failure(report: &Report, replay: &str) {
    println!("\nseed {} FAILED (hash {:016x}):", report.seed, report.hash);
    for problem in report.problems.iter().take(PROBLEMS_PRINTED) {
        println!("  - {problem}");
    }
    if report.problems.len() > PROBLEMS_PRINTED {
        println!("  - and {} more", report.problems.len() - PROBLEMS_PRINTED);
    }
    println!("  replay: {replay}");
}

fn main() -> ExitCode {
    let arguments = match arguments::parse() {
        Ok(arguments) => arguments,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    let shape_text = std::env::args().skip_while(|argument| argument != "--shape").nth(1);
    let clock = match Runtime::new(EngineKind::Poll) {
        Ok(runtime) => {
            let started = runtime.now().0;
            move || (runtime.now().0 - started) as f64 / 1e9
        }
        Err(error) => {
            eprintln!("no clock: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (mut ran, mut failed) = (0_u64, Vec::new());
    let mut totals: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut simulated_s = 0.0;
    let out_of_time = || arguments.minutes.is_some_and(|minutes| clock() >= minutes as f64 * 60.0);
    let seeds = arguments.first..arguments.first.saturating_add(arguments.seeds);
    for case in seeds
        .flat_map(|seed| Case::of_seed(seed, &arguments))
        .take_while(|_| !out_of_time())
    {
        let mut report = case.run(arguments.verbose);
        if arguments.repeat {
            let again = case.run(false);
            if again.hash != report.hash {
                report
                    .problems
                    .push(format!("a second run had other events: hash {:016x}", again.hash));
            }
        }
        ran += 1;
        simulated_s += report.simulated.as_secs_f64();
        for (name, count) in &report.counts {
            *totals.entry(name).or_default() += count;
        }
        if arguments.seeds == 1 && arguments.sweep.is_none() {
            println!(
                "seed {}: {case:?}\n  hash {:016x}, {} events, {:.3} s",
                report.seed,
                report.hash,
                report.events,
                report.simulated.as_secs_f64()
            );
        } else if ran.is_multiple_of(100) {
            println!(
                "{ran} runs, {} failed, {:.0} s of simulated time in {:.0} s",
                failed.len(),
                simulated_s,
                clock()
            );
        }
        if !report.problems.is_empty() {
            print_failure(&report, &case.replay(shape_text.as_deref()));
            failed.push(report.seed);
            if !arguments.keep_going {
                break;
            }
        }
    }
    println!(
        "\n{ran} runs, seeds from {} on, {simulated_s:.0} s of simulated time in {:.0} s",
        arguments.first,
        clock()
    );
    for (name, count) in &totals {
        println!("  {count:>9} {name}");
    }
    if failed.is_empty() {
        println!("no seed failed");
        ExitCode::SUCCESS
    } else {
        println!("failed: {failed:?}");
        ExitCode::FAILURE
    }
}
