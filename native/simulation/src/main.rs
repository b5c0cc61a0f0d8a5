//! `openlake-simulation`: runs seeds until one fails, the number or the time is used up; replays a single seed with all its events.

use openlake_drive::sabotage::Sabotage;
use openlake_io::{EngineKind, Runtime};
use openlake_simulation::drive::plan::DrivePlan;
use openlake_simulation::drive::simulation::run as run_drive;
use openlake_simulation::plan::{Plan, Shape};
use openlake_simulation::simulation::{Report, run};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

const USAGE: &str = "\
Simulates whole clusters, one seed after the other, and checks what they promise.

  --drive           simulate a single drive instead, its lives and deaths
  --seed FIRST      first seed (default: 1)
  --seeds N         how many (default: 100)
  --minutes M       stop after so many minutes (default: no limit)
  --shape K+M@NODES[xSETS]
                    instead of the shape that each seed draws, e.g. 2+2@4 or 4+2@6x2
  --plant BUG       plant a known bug, e.g. NoWriteBack, to see it found
  --repeat          run each seed twice and compare the hashes of their events
  --keep-going      do not stop at the first seed that fails
  --verbose         print every event";

/// The first problems say most.
const PROBLEMS_PRINTED: usize = 10;

struct Arguments {
    drive: bool,
    first: u64,
    seeds: u64,
    minutes: Option<u64>,
    shape: Option<Shape>,
    plant: Option<Sabotage>,
    repeat: bool,
    keep_going: bool,
    verbose: bool,
}

fn parse() -> Result<Arguments, String> {
    let mut parsed = Arguments {
        drive: false,
        first: 1,
        seeds: 100,
        minutes: None,
        shape: None,
        plant: None,
        repeat: false,
        keep_going: false,
        verbose: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut number = || {
            let text = arguments.next().unwrap_or_default();
            text.parse::<u64>().map_err(|_| format!("{name} needs a number, not '{text}'"))
        };
        match name.as_str() {
            "--drive" => parsed.drive = true,
            "--seed" => parsed.first = number()?,
            "--seeds" => parsed.seeds = number()?,
            "--minutes" => parsed.minutes = Some(number()?),
            "--shape" => parsed.shape = Some(parse_shape(&arguments.next().unwrap_or_default())?),
            "--plant" => parsed.plant = Some(parse_bug(&arguments.next().unwrap_or_default())?),
            "--repeat" => parsed.repeat = true,
            "--keep-going" => parsed.keep_going = true,
            "--verbose" => parsed.verbose = true,
            "--help" | "-h" => return Err(USAGE.to_owned()),
            other => return Err(format!("unknown option {other}\n\n{USAGE}")),
        }
    }
    Ok(parsed)
}

fn parse_shape(text: &str) -> Result<Shape, String> {
    let wrong = || format!("--shape needs K+M@NODES or K+M@NODESxSETS, not '{text}'");
    let (coding, places) = text.split_once('@').ok_or_else(wrong)?;
    let (data, parity) = coding.split_once('+').ok_or_else(wrong)?;
    let (nodes, sets) = places.split_once('x').unwrap_or((places, "1"));
    let parse = |text: &str| text.parse::<u8>().ok().filter(|number| *number > 0).ok_or_else(wrong);
    Ok(Shape {
        data: parse(data)?,
        parity: parse(parity)?,
        nodes: usize::from(parse(nodes)?),
        sets: usize::from(parse(sets)?),
    })
}

fn parse_bug(text: &str) -> Result<Sabotage, String> {
    let known = || format!("--plant needs one of {:?}, not '{text}'", Sabotage::ALL);
    Sabotage::ALL
        .into_iter()
        .find(|sabotage| format!("{sabotage:?}") == text)
        .ok_or_else(known)
}

/// What a seed stands for.
#[derive(Debug)]
enum Case {
    Cluster(Box<Plan>),
    Drive(Box<DrivePlan>),
}

impl Case {
    fn new(seed: u64, arguments: &Arguments) -> Case {
        let sabotage = arguments.plant;
        if arguments.drive {
            let plan = DrivePlan::from_seed(seed);
            Case::Drive(Box::new(DrivePlan { sabotage, ..plan }))
        } else {
            let plan = Plan::from_seed(seed, arguments.shape);
            Case::Cluster(Box::new(Plan { sabotage, ..plan }))
        }
    }
    fn run(&self, verbose: bool) -> Report {
        match self {
            Case::Cluster(plan) => run(plan, verbose),
            Case::Drive(plan) => run_drive(plan, verbose),
        }
    }
}

/// Runs a case; a panic is a problem like any other.
fn run_caught(case: &Case, seed: u64, verbose: bool) -> Report {
    catch_unwind(AssertUnwindSafe(|| case.run(verbose))).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Report {
            seed,
            problems: vec![format!("panic: {}", text.unwrap_or_default())],
            ..Report::default()
        }
    })
}

fn print_failure(report: &Report, arguments: &Arguments, shape: Option<&str>) {
    println!("\nseed {} FAILED (hash {:016x}):", report.seed, report.hash);
    for problem in report.problems.iter().take(PROBLEMS_PRINTED) {
        println!("  - {problem}");
    }
    if report.problems.len() > PROBLEMS_PRINTED {
        println!("  - and {} more", report.problems.len() - PROBLEMS_PRINTED);
    }
    let shape = shape.map(|shape| format!(" --shape {shape}")).unwrap_or_default();
    let drive = if arguments.drive { " --drive" } else { "" };
    println!("  replay: npm run simulate --{drive} --seed {} --seeds 1{shape} --verbose", report.seed);
}

fn main() -> ExitCode {
    let arguments = match parse() {
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
    for seed in arguments.first..arguments.first.saturating_add(arguments.seeds) {
        if arguments.minutes.is_some_and(|minutes| clock() >= minutes as f64 * 60.0) {
            break;
        }
        let case = Case::new(seed, &arguments);
        let mut report = run_caught(&case, seed, arguments.verbose);
        if arguments.repeat {
            let again = run_caught(&case, seed, false);
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
        if arguments.seeds == 1 {
            println!(
                "seed {seed}: {case:?}\n  hash {:016x}, {} events, {:.3} s",
                report.hash,
                report.events,
                report.simulated.as_secs_f64()
            );
        } else if ran.is_multiple_of(100) {
            println!(
                "{ran} seeds, {} failed, {:.0} s of simulated time in {:.0} s",
                failed.len(),
                simulated_s,
                clock()
            );
        }
        if !report.problems.is_empty() {
            print_failure(&report, &arguments, shape_text.as_deref());
            failed.push(seed);
            if !arguments.keep_going {
                break;
            }
        }
    }
    println!(
        "\n{ran} seeds from {} on, {simulated_s:.0} s of simulated time in {:.0} s",
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
