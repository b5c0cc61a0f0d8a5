//! What the command line asks for.

use openlake_drive::sabotage::Sabotage;
use openlake_simulation::plan::Shape;
use openlake_simulation::theme::Theme;

const USAGE: &str = "\
Simulates whole clusters, one seed after the other, and checks what they promise.

  --drive           simulate a single drive instead, its lives and deaths
  --seed FIRST      first seed (default: 1)
  --seeds N         how many (default: 100)
  --minutes M       stop after so many minutes (default: no limit)
  --shape K+M@NODES[xSETS]
                    instead of the shape that each seed draws, e.g. 2+2@4 or 4+2@6x2
  --cut-after N     cut the drive's power after N writes of its device, in each of two lives, and at no other time
  --sweep N         run every seed of --drive once for each of its first N writes
  --plant BUG       plant a known bug, e.g. NoWriteBack, to see it found
  --theme THEME     about this, instead of what each seed draws: Mixed, Rivals, Restless, Replacing, Uploads, PowerCuts
  --tls             links between nodes run over TLS
  --repeat          run each seed twice and compare the hashes of their events
  --keep-going      do not stop at the first seed that fails
  --verbose         print every event";

/// What is to be run, and how.
pub struct Arguments {
    pub drive: bool,
    pub cut_after: Option<u64>,
    pub sweep: Option<u64>,
    pub first: u64,
    pub seeds: u64,
    pub minutes: Option<u64>,
    pub shape: Option<Shape>,
    pub plant: Option<Sabotage>,
    pub theme: Option<Theme>,
    pub tls: bool,
    pub repeat: bool,
    pub keep_going: bool,
    pub verbose: bool,
}

/// Reads the command line.
///
/// # Errors
/// What is wrong with it, or the usage where that was asked for.
pub fn parse() -> Result<Arguments, String> {
    let mut parsed = Arguments {
        drive: false,
        cut_after: None,
        sweep: None,
        first: 1,
        seeds: 100,
        minutes: None,
        shape: None,
        plant: None,
        theme: None,
        tls: false,
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
            "--cut-after" => parsed.cut_after = Some(number()?),
            "--sweep" => parsed.sweep = Some(number()?),
            "--seed" => parsed.first = number()?,
            "--seeds" => parsed.seeds = number()?,
            "--minutes" => parsed.minutes = Some(number()?),
            "--shape" => parsed.shape = Some(parse_shape(&arguments.next().unwrap_or_default())?),
            "--plant" => parsed.plant = Some(parse_bug(&arguments.next().unwrap_or_default())?),
            "--theme" => parsed.theme = Some(parse_theme(&arguments.next().unwrap_or_default())?),
            "--tls" => parsed.tls = true,
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

fn parse_theme(text: &str) -> Result<Theme, String> {
    let known = || format!("--theme needs one of {:?}, not '{text}'", Theme::ALL);
    Theme::ALL.into_iter().find(|theme| format!("{theme:?}") == text).ok_or_else(known)
}

fn parse_bug(text: &str) -> Result<Sabotage, String> {
    let known = || format!("--plant needs one of {:?}, not '{text}'", Sabotage::ALL);
    Sabotage::ALL
        .into_iter()
        .find(|sabotage| format!("{sabotage:?}") == text)
        .ok_or_else(known)
}
