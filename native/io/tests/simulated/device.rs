//! Faults of a device that its owner does not see: lost, misdirected and short writes, stale and rotten reads, hangs.

use crate::{filled, open, run};
use openlake_io::{Durability, SimOptions, SimWorld};
use std::path::Path;
use std::time::Duration;

const BYTES: usize = 64 << 10;

/// A world whose node 1 has `/f` with 64 KiB of `o`, durable, and then changes its options.
fn prepared(seed: u64, change: impl FnOnce(&mut SimOptions)) -> SimWorld {
    let world = SimWorld::new(seed, SimOptions::default());
    run(&world, 1, |runtime| async move {
        let file = open(&runtime, "/f");
        file.write(0, vec![filled(BYTES, b'o')], Durability::Sync).await.unwrap();
        runtime.sync_directory(Path::new("/")).unwrap();
    });
    world.change_options(change);
    world
}

fn write(world: &SimWorld, offset: u64, length: usize, value: u8) -> std::io::Result<()> {
    run(world, 1, |runtime| async move {
        open(&runtime, "/f")
            .write(offset, vec![filled(length, value)], Durability::Sync)
            .await
    })
}

fn read(world: &SimWorld) -> Vec<u8> {
    run(
        world,
        1,
        |runtime| async move { open(&runtime, "/f").read(0, BYTES).await.unwrap() },
    )
    .as_slice()
    .to_vec()
}

/// Positions of bytes that are not `o`.
fn changed(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|at| bytes[*at] != b'o').collect()
}

#[test]
fn a_misdirected_write_lands_elsewhere_as_a_whole() {
    let mut places = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let world = prepared(seed, |options| options.misdirected_write_chance = 1.0);
        write(&world, 8192, 4096, b'n').expect("it says that all is well");
        let changed = changed(&read(&world));
        assert_eq!(changed.len(), 4096, "seed {seed}");
        assert_eq!((changed[4095] - changed[0], changed[0] % 4096), (4095, 0), "seed {seed}");
        let is_elsewhere = changed[0] != 8192;
        assert_eq!(world.device_faults(1).misdirected_writes, u64::from(is_elsewhere));
        places.insert(changed[0]);
    }
    assert!(places.len() > 5, "{places:?}");
}

#[test]
fn a_lost_write_is_acknowledged_and_was_never_made() {
    let world = prepared(1, |options| options.lost_write_chance = 1.0);
    write(&world, 0, 4096, b'n').expect("it says that all is well");
    assert!(changed(&read(&world)).is_empty());
    assert_eq!(world.device_faults(1).lost_writes, 1);
}

#[test]
fn a_stale_read_shows_what_sectors_held_before() {
    let world = prepared(1, |options| options.stale_read_chance = 1.0);
    write(&world, 0, BYTES, b'n').unwrap();
    let bytes = read(&world);
    let stale = bytes.chunks(512).filter(|sector| **sector == [b'o'; 512]).count();
    let fresh = bytes.chunks(512).filter(|sector| **sector == [b'n'; 512]).count();
    assert!(stale > 20 && fresh > 20 && stale + fresh == 128, "{stale} stale, {fresh} fresh");
    assert_eq!(world.device_faults(1).stale_sectors, stale as u64);
    world.change_options(|options| options.stale_read_chance = 0.0);
    assert_eq!(read(&world), [b'n'; BYTES], "what is on the device did not change");
}

#[test]
fn a_rotten_bit_stays_rotten() {
    let world = prepared(1, |options| options.bit_rot_chance = 1.0);
    let first = read(&world);
    world.change_options(|options| options.bit_rot_chance = 0.0);
    let wrong = changed(&first);
    assert_eq!(wrong.len(), 1);
    assert_eq!((first[wrong[0]] ^ b'o').count_ones(), 1);
    assert_eq!(read(&world), first);
    world.crash_node(1);
    assert_eq!(read(&world), first);
    assert_eq!(world.device_faults(1).rotten_bits, 1);
}

#[test]
fn a_lying_flush_shows_at_the_next_power_cut() {
    let mut lost = 0;
    for seed in 0..20 {
        let world = prepared(seed, |options| options.lying_flush_chance = 1.0);
        write(&world, 0, 4096, b'n').expect("it says that all is well");
        assert_eq!(changed(&read(&world)).len(), 4096, "seed {seed}");
        assert_eq!(world.device_faults(1).lies, 1);
        world.crash_node(1);
        lost += usize::from(changed(&read(&world)).len() < 4096);
    }
    assert!(lost > 15, "{lost} of 20");
}

#[test]
fn a_failed_write_did_nothing_or_something_or_a_first_piece() {
    let (mut nothing, mut pieces, mut sectors) = (0, 0, 0);
    for seed in 0..60 {
        let world = prepared(seed, |options| options.disk_error_chance = 1.0);
        write(&world, 0, 16384, b'n').expect_err("it fails");
        world.change_options(|options| options.disk_error_chance = 0.0);
        let changed = changed(&read(&world));
        assert!(changed.len().is_multiple_of(512));
        match changed.last() {
            None => nothing += 1,
            Some(last) if last + 1 == changed.len() => pieces += 1,
            Some(_) => sectors += 1,
        }
    }
    assert!(nothing > 5 && pieces > 5 && sectors > 5, "{nothing}, {pieces}, {sectors}");
}

#[test]
fn an_unreadable_sector_fails_until_it_is_written() {
    let world = prepared(1, |_| {});
    world.make_unreadable(1, Path::new("/f"), 5000).unwrap();
    run(&world, 1, |runtime| async move {
        let file = open(&runtime, "/f");
        assert_eq!(file.read(4096, 4096).await.map(drop).unwrap_err().raw_os_error(), Some(5), "EIO");
        file.read(8192, 4096).await.expect("its neighbours are well");
        file.write(4096, vec![filled(4096, b'w')], Durability::Sync).await.unwrap();
        file.read(4096, 4096).await.expect("a written sector can be read again");
    });
}

#[test]
fn a_stalled_path_answers_when_it_is_released() {
    let world = prepared(1, |_| {});
    world.stall_path(1, Path::new("/f"));
    let runtime = world.runtime(1).unwrap();
    let done = std::rc::Rc::new(std::cell::Cell::new(0));
    for path in ["/f", "/g"] {
        let (file, done) = (open(&runtime, path), done.clone());
        runtime.spawn(async move {
            file.write(0, vec![filled(4096, b'n')], Durability::Sync).await.unwrap();
            done.set(done.get() + 1);
        });
    }
    world.run_for(Duration::from_secs(30));
    assert_eq!(done.get(), 1, "only the other file answers");
    world.release_path(1, Path::new("/f"));
    world.run_for(Duration::from_secs(1));
    assert_eq!(done.get(), 2);
}
