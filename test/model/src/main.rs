//! The command line: `model DRIVES DATA OPERATIONS CLOCKS ROUNDS FLAGS BUG[,a<b...] SECONDS [SEED]`, see README.md.

use openlake_model::config::Config;
use openlake_model::explore::{Limits, Violation};
use std::process::ExitCode;
use std::time::{Duration, Instant};

struct Order {
    config: Config,
    time: Duration,
    depth_first: bool,
    random: bool,
    seed: u64,
}

fn parse(words: &[String]) -> Result<Order, String> {
    let word = |at: usize| {
        words
            .get(at)
            .map(String::as_str)
            .ok_or_else(|| format!("word {} is missing; see README.md", at + 1))
    };
    let number = |at: usize| word(at)?.parse::<u64>().map_err(|_| format!("{} is not a number", words[at]));
    let mut config = Config::new(number(0)? as usize, number(1)? as usize, word(2)?).ok_or("drives, data or operations do not fit")?;
    let clocks: Result<Vec<u8>, _> = word(3)?.split(',').map(str::parse).collect();
    config.clocks = clocks.map_err(|_| format!("{} is not a list of clocks", words[3]))?;
    config.rounds = number(4)? as u8;
    let (mut depth_first, mut random) = (false, false);
    for letter in word(5)?.chars() {
        depth_first |= letter == 'd';
        random |= letter == 'r';
        if !matches!(letter, 'd' | 'r') && !config.flag(letter) {
            return Err(format!("there is no flag {letter}"));
        }
    }
    for item in word(6)?.split(',').filter(|item| *item != "none") {
        let pair = item.split_once('<').map(|(first, second)| (first.parse(), second.parse()));
        match pair {
            Some((Ok(first), Ok(second))) => config.order.push((first, second)),
            _ if config.plant(item) => {}
            _ => return Err(format!("there is no bug {item}")),
        }
    }
    let time = Duration::from_secs(number(7)?);
    Ok(Order {
        config,
        time,
        depth_first,
        random,
        seed: number(8).unwrap_or(1),
    })
}

fn show(violation: Option<Violation>) -> ExitCode {
    let Some(violation) = violation else { return ExitCode::SUCCESS };
    println!("   {}", violation.why);
    violation.trace.iter().for_each(|text| println!("   {text}"));
    ExitCode::FAILURE
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let order = match parse(&words) {
        Ok(order) => order,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    let begun = Instant::now();
    let name = words.join(" ");
    if order.random {
        let walks = order.config.walk(order.seed, u64::MAX, order.time);
        let end = if walks.violation.is_some() {
            format!("VIOLATION at seed {}", walks.seed)
        } else {
            "no violation".into()
        };
        println!("{name}: walks={} steps={} {end}", walks.walks, walks.steps);
        return show(walks.violation);
    }
    let limits = Limits {
        states: 150_000_000,
        time: order.time,
        traces: !order.depth_first,
    };
    let report = order.config.explore(limits);
    let end = match (&report.violation, report.exhausted) {
        (Some(_), _) => "VIOLATION",
        (None, true) => "exhausted, no violation",
        (None, false) => "NOT exhausted, no violation",
    };
    println!(
        "{name}: states={} steps={} {:.1} s {end}",
        report.states,
        report.steps,
        begun.elapsed().as_secs_f32()
    );
    show(report.violation)
}
