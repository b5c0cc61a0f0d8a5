//! Formatting a blank drive. The superblock comes last: a drive has one or is blank.

use crate::counters::Counters;
use crate::format::{Root, Superblock};
use crate::home::{Home, opening};
use crate::medium::Medium;
use crate::open::Tuning;
use crate::roots::Roots;
use crate::space::{Geometry, Place};
use crate::{Adoption, DriveOptions, Identity, OpenError};
use openlake_io::Runtime;
use std::io;
use std::path::Path;
use std::rc::Rc;

/// Where a new log begins.
const FIRST_SEGMENT: u32 = 0;
/// The log's first segment, the one named as next, and one for data.
const FIRST_SEGMENTS: u32 = 3;

/// Makes an empty drive in a blank home that is locked; gives the home back.
pub(crate) async fn format(runtime: &Runtime, home: Home, options: &DriveOptions, tuning: Tuning) -> Result<Home, OpenError> {
    let path = home.path().to_owned();
    let failed = |error: io::Error| opening(&path, &error);
    let capacity = match options.capacity_bytes {
        Some(capacity) => capacity,
        None => home.default_capacity_bytes().map_err(failed)?,
    };
    if let Some(limit) = home.capacity_limit_bytes().filter(|limit| capacity > *limit) {
        let text = format!(
            "{} has room for {limit} bytes of data, the configured capacity is {capacity}",
            path.display()
        );
        return Err(OpenError::Unavailable(text));
    }
    let geometry = Geometry::for_capacity(capacity, tuning.segment_bytes)
        .ok_or_else(|| OpenError::Unavailable(too_small(&path, capacity, &tuning)))?;
    let least = least_segments(&geometry);
    write(runtime, home, options, geometry).await.map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull => {
            let bytes = u64::from(least) * u64::from(geometry.segment_bytes);
            let text = format!(
                "{}: there is no room for the {bytes} bytes that a drive of {capacity} bytes needs to begin with: {error}",
                path.display()
            );
            OpenError::Unavailable(text)
        }
        _ => failed(error),
    })
}

fn too_small(path: &Path, capacity: u64, tuning: &Tuning) -> String {
    let least = Geometry::least_capacity_bytes(tuning.segment_bytes);
    format!(
        "{}: {capacity} bytes are too few for a drive, which takes at least {least}",
        path.display()
    )
}

/// Segments that must exist before data comes: what is kept from it, and what the log begins in.
fn least_segments(geometry: &Geometry) -> u32 {
    (geometry.reserve_segments() + FIRST_SEGMENTS).min(geometry.segments)
}

async fn write(runtime: &Runtime, home: Home, options: &DriveOptions, geometry: Geometry) -> io::Result<Home> {
    home.begin_format().await?;
    let medium = Medium::open(runtime, home, geometry, Rc::new(Counters::default())).await?;
    while medium.made_segments() < least_segments(&geometry) {
        medium.make_container().await?;
    }
    let home = medium.into_home();
    let mut drive = [0; 16];
    runtime.fill_random(&mut drive);
    let salt = runtime.random_u64();
    write_roots(&home, salt).await?;
    let identity = Identity {
        cluster: options.cluster,
        drive,
        set: options.set,
        slot: options.slot,
        generation: first_generation(options.adoption),
        set_epoch: options.set_epoch,
    };
    let superblock = Superblock {
        sequence: 1,
        identity,
        salt,
        geometry,
    };
    home.finish_format(&superblock).await?;
    Ok(home)
}

/// A replacement has none before it is adopted.
fn first_generation(adoption: Adoption) -> u32 {
    match adoption {
        Adoption::Replace => 0,
        Adoption::FormatNew | Adoption::Refuse => 1,
    }
}

async fn write_roots(home: &Home, salt: u64) -> io::Result<()> {
    let (roots, _) = Roots::open(home.make_roots().await?, salt).await;
    let first = Root {
        sequence: 0,
        clean: true,
        rebuild: false,
        log_start: Place::new(FIRST_SEGMENT, 0),
        log_start_generation: 1,
        last_sequence: 0,
        state: Default::default(),
        manifest: None,
    };
    roots.write(first).await
}
