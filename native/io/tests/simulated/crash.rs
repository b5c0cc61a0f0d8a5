//! Power cuts: durable is what was made durable, everything else is old or new, sector by sector and name by name.

use crate::{address, filled, open, run, world};
use openlake_io::{Durability, DurabilityClass, OpenOptions, SimOptions, SimWorld};
use std::collections::BTreeSet;
use std::path::Path;

const SECTOR: usize = 512;

/// A world whose node 1 has `/f` with 8 KiB of `old`, durable in name and contents.
fn prepared(seed: u64, options: SimOptions) -> SimWorld {
    let world = SimWorld::new(seed, options);
    run(&world, 1, |runtime| async move {
        let file = open(&runtime, "/f");
        file.write(0, vec![filled(8192, b'o')], Durability::None).await.unwrap();
        file.flush().await.unwrap();
        runtime.sync_directory(Path::new("/")).unwrap();
    });
    world
}

/// The first byte of each sector of `/f`; each sector is checked to be whole.
fn sectors(world: &SimWorld) -> Vec<u8> {
    let bytes = world.read_file(1, Path::new("/f")).unwrap();
    assert!(
        bytes.chunks(SECTOR).all(|sector| sector.iter().all(|byte| *byte == sector[0])),
        "a sector is atomic"
    );
    bytes.chunks(SECTOR).map(|sector| sector[0]).collect()
}

#[test]
fn unflushed_writes_are_old_or_new_sector_by_sector() {
    let mut torn = 0;
    for seed in 0..50 {
        let world = prepared(seed, SimOptions::default());
        run(&world, 1, |runtime| async move {
            open(&runtime, "/f")
                .write(0, vec![filled(4096, b'n')], Durability::None)
                .await
                .unwrap();
        });
        world.crash_node(1);
        let sectors = sectors(&world);
        assert!(sectors[..8].iter().all(|byte| b"on".contains(byte)), "seed {seed}");
        assert_eq!(sectors[8..], [b'o'; 8], "seed {seed}: sectors not written stay");
        let kinds: BTreeSet<&u8> = sectors[..8].iter().collect();
        torn += usize::from(kinds.len() == 2);
    }
    assert!(torn > 25, "most of these writes must be torn, {torn} of 50 were");
}

#[test]
fn in_flight_writes_are_torn_and_may_leave_unreadable_sectors() {
    let (mut torn, mut unreadable) = (0, 0);
    for seed in 0..100 {
        let world = prepared(seed, SimOptions::default());
        let runtime = world.runtime(1).unwrap();
        let file = open(&runtime, "/f");
        runtime.spawn(async move {
            let _ = file.write(0, vec![filled(8192, b'n')], Durability::Sync).await;
            unreachable!("the power is cut before");
        });
        // One step: the turn that submits the write.
        assert!(world.step());
        world.crash_node(1);
        match world.read_file(1, Path::new("/f")) {
            Ok(_) => torn += usize::from(sectors(&world).iter().collect::<BTreeSet<_>>().len() == 2),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(5), "EIO");
                unreadable += 1;
                run(&world, 1, |runtime| async move {
                    let file = open(&runtime, "/f");
                    assert!(file.read(0, 8192).await.is_err());
                    file.write(0, vec![filled(8192, b'w')], Durability::Sync).await.unwrap();
                    file.read(0, 8192).await.expect("a written sector can be read again");
                });
            }
        }
    }
    assert!(torn > 50 && unreadable > 5, "{torn} torn, {unreadable} with unreadable sectors");
}

#[test]
fn flushed_writes_survive() {
    for seed in 0..30 {
        let world = prepared(seed, SimOptions::default());
        run(&world, 1, |runtime| async move {
            let file = open(&runtime, "/f");
            file.write(0, vec![filled(4096, b'n')], Durability::None).await.unwrap();
            file.flush().await.unwrap();
        });
        world.crash_node(1);
        assert_eq!(sectors(&world)[..8], [b'n'; 8], "seed {seed}");
    }
}

/// Writes block 0 plainly, then block 1 with `Sync`; returns in how many of 40 worlds block 0 was lost, at least in part.
fn lost_beside_a_sync_write(class: DurabilityClass) -> usize {
    let lost = |seed: &u64| {
        let world = prepared(
            *seed,
            SimOptions {
                durability_class: class,
                ..SimOptions::default()
            },
        );
        run(&world, 1, |runtime| async move {
            let file = open(&runtime, "/f");
            file.write(0, vec![filled(4096, b'n')], Durability::None).await.unwrap();
            file.write(4096, vec![filled(4096, b's')], Durability::Sync).await.unwrap();
        });
        world.crash_node(1);
        let sectors = sectors(&world);
        assert_eq!(sectors[8..], [b's'; 8], "seed {seed}: a completed Sync write survives");
        sectors[..8] != [b'n'; 8]
    };
    (0..40).filter(lost).count()
}

#[test]
fn a_sync_write_persists_what_its_class_says() {
    assert!(lost_beside_a_sync_write(DurabilityClass::ForceUnitAccess) > 30);
    assert_eq!(lost_beside_a_sync_write(DurabilityClass::Flush), 0);
    assert_eq!(lost_beside_a_sync_write(DurabilityClass::Through), 0);
}

#[test]
fn an_older_unflushed_write_never_comes_back_over_a_sync_write() {
    for seed in 0..30 {
        let world = prepared(seed, SimOptions::default());
        run(&world, 1, |runtime| async move {
            let file = open(&runtime, "/f");
            file.write(0, vec![filled(4096, b'1')], Durability::None).await.unwrap();
            file.write(0, vec![filled(4096, b'2')], Durability::Sync).await.unwrap();
        });
        world.crash_node(1);
        assert_eq!(sectors(&world)[..8], [b'2'; 8], "seed {seed}");
    }
}

#[test]
fn names_survive_in_order_and_for_sure_only_after_a_directory_flush() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..60 {
        let world = world(seed);
        run(&world, 1, |runtime| async move {
            for name in ["/a", "/b"] {
                open(&runtime, name);
            }
            runtime.sync_directory(Path::new("/")).unwrap();
            runtime.remove(Path::new("/a")).unwrap();
            runtime.rename(Path::new("/b"), Path::new("/c")).unwrap();
            open(&runtime, "/d");
        });
        world.crash_node(1);
        outcomes.insert(world.list_files(1, Path::new("/")).unwrap().concat());
    }
    let expected = ["ab", "b", "c", "cd"].map(str::to_owned);
    assert_eq!(outcomes, BTreeSet::from(expected), "each prefix of the changes, and nothing else");
}

#[test]
fn a_folder_without_name_takes_its_files_along() {
    let mut lost = 0;
    for seed in 0..20 {
        let world = world(seed);
        run(&world, 1, |runtime| async move {
            runtime.create_directory(Path::new("/data")).unwrap();
            open(&runtime, "/data/f");
            runtime.sync_directory(Path::new("/data")).unwrap();
        });
        world.crash_node(1);
        lost += usize::from(world.list_files(1, Path::new("/data")).is_err());
    }
    assert!(
        (1..20).contains(&lost),
        "the parent was never flushed: lost in some worlds ({lost} of 20)"
    );
}

#[test]
fn a_stopped_process_loses_nothing_completed() {
    for seed in 0..20 {
        let world = prepared(seed, SimOptions::default());
        run(&world, 1, |runtime| async move {
            let options = OpenOptions {
                write: true,
                create: true,
                lock: true,
                ..OpenOptions::default()
            };
            let file = runtime.open(Path::new("/f"), &options).unwrap();
            file.write(0, vec![filled(8192, b'n')], Durability::None).await.unwrap();
            open(&runtime, "/g");
            std::mem::forget(file);
        });
        world.stop_node(1);
        assert_eq!(sectors(&world), [b'n'; 16]);
        let runtime = world.start_node(1, address(1));
        let options = OpenOptions {
            lock: true,
            ..OpenOptions::default()
        };
        runtime.open(Path::new("/f"), &options).expect("the lock went with the process");
        assert_eq!(runtime.list_directory(Path::new("/")).unwrap(), ["f", "g"]);
        // What only the cache has is still lost by a later power cut.
        world.crash_node(1);
        assert!(sectors(&world).contains(&b'o'), "seed {seed}");
    }
}

#[test]
fn a_crash_drops_tasks_and_voids_their_handles() {
    struct Flag(std::rc::Rc<std::cell::Cell<bool>>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let world = world(1);
    let runtime = world.start_node(1, address(1));
    let dropped = std::rc::Rc::new(std::cell::Cell::new(false));
    let flag = Flag(dropped.clone());
    let file = open(&runtime, "/f");
    let inner = file.clone();
    runtime.spawn(async move {
        let _flag = flag;
        loop {
            inner.write(0, vec![filled(4096, 1)], Durability::Sync).await.unwrap();
        }
    });
    world.run_for(std::time::Duration::from_millis(20));
    assert!(!dropped.get());
    world.crash_node(1);
    assert!(dropped.get(), "the task is gone");
    assert!(!world.is_running(1));
    assert!(file.size_bytes().is_err() && runtime.info(Path::new("/")).is_err());
    let again = world.start_node(1, address(1));
    assert!(file.size_bytes().is_err(), "a handle of an earlier life stays void");
    drop((file, runtime));
    assert!(again.info(Path::new("/")).is_ok());
}

#[test]
fn a_dropped_world_leaves_nothing_behind() {
    let kept = std::rc::Rc::new(());
    let world = world(1);
    let runtime = world.start_node(1, address(1));
    let (inner, file, inside) = (runtime.clone(), open(&runtime, "/f"), kept.clone());
    runtime.spawn(async move {
        let _inside = inside;
        let _ = file.read(0, 4096).await;
        inner.sleep(std::time::Duration::from_secs(1000)).await;
    });
    drop(runtime);
    world.run_for(std::time::Duration::from_secs(1));
    drop(world);
    assert_eq!(std::rc::Rc::strong_count(&kept), 1);
}
