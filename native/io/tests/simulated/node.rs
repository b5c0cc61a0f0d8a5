//! Faults of one node: its disk, its clock.

use crate::{filled, open, run, world};
use openlake_io::{Durability, SimOptions, SimWorld};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

#[test]
fn a_corrupted_byte_is_read() {
    let world = world(1);
    run(&world, 1, |runtime| async move {
        open(&runtime, "/f")
            .write(0, vec![filled(8192, 0)], Durability::Sync)
            .await
            .unwrap();
    });
    world.corrupt(1, Path::new("/f"), 5000).unwrap();
    let bytes = run(
        &world,
        1,
        |runtime| async move { open(&runtime, "/f").read(0, 8192).await.unwrap() },
    );
    let wrong: Vec<usize> = (0..8192).filter(|index| bytes.as_slice()[*index] != 0).collect();
    assert_eq!(wrong, [5000]);
    assert_eq!(world.corrupt(1, Path::new("/g"), 0).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_failed_path_fails_until_it_is_mended() {
    let world = world(2);
    world.start_node(1, crate::address(1));
    for path in ["/one", "/two"] {
        world.mount(1, Path::new(path)).unwrap();
    }
    run(&world, 1, |runtime| async move {
        for path in ["/one/f", "/two/f"] {
            open(&runtime, path)
                .write(0, vec![filled(4096, 1)], Durability::Sync)
                .await
                .unwrap();
        }
        let device = |path: &str| runtime.info(Path::new(path)).unwrap().device;
        assert!(device("/") != device("/one") && device("/one") != device("/two") && device("/one") == device("/one/f"));
    });
    world.fail_path(1, Path::new("/one"));
    run(&world, 1, |runtime| async move {
        assert!(runtime.info(Path::new("/one/f")).is_err());
        open(&runtime, "/two/f").read(0, 4096).await.unwrap();
    });
    world.mend_path(1, Path::new("/one"));
    run(
        &world,
        1,
        |runtime| async move { open(&runtime, "/one/f").read(0, 4096).await.unwrap() },
    );
}

#[test]
fn a_full_disk_says_so() {
    let world = world(3);
    run(&world, 1, |runtime| async move {
        open(&runtime, "/f")
            .write(0, vec![filled(8192, 1)], Durability::Sync)
            .await
            .unwrap();
    });
    world.set_disk_capacity(1, 12288);
    run(&world, 1, |runtime| async move {
        let file = open(&runtime, "/f");
        assert_eq!(runtime.space(Path::new("/")).unwrap(), (4096, 12288));
        file.write(0, vec![filled(8192, 2)], Durability::Sync)
            .await
            .expect("overwriting needs no space");
        let error = file.write(8192, vec![filled(8192, 2)], Durability::Sync).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert_eq!(file.allocate(0, 1 << 20).await.unwrap_err().kind(), ErrorKind::StorageFull);
    });
}

#[test]
fn disk_errors_come_by_chance_and_may_leave_a_part() {
    let options = SimOptions {
        disk_error_chance: 0.2,
        ..SimOptions::default()
    };
    let world = SimWorld::new(4, options);
    let failed = run(&world, 1, |runtime| async move {
        let file = open(&runtime, "/f");
        let mut failed = 0;
        for index in 0..100 {
            failed += usize::from(file.write(index * 4096, vec![filled(4096, 1)], Durability::Sync).await.is_err());
        }
        failed
    });
    assert!((5..50).contains(&failed), "{failed} of 100 failed");
    let bytes = world.read_file(1, Path::new("/f")).unwrap();
    let (mut whole, mut torn) = (0, 0);
    for block in bytes.chunks(4096) {
        let written = block.iter().filter(|byte| **byte == 1).count();
        whole += usize::from(written == 4096);
        torn += usize::from(written > 0 && written < 4096);
    }
    assert_eq!(whole, 100 - failed);
    assert!(torn > 0 && torn <= failed);
}

#[test]
fn lies_of_a_disk_are_revealed_by_a_power_cut() {
    let lying = SimOptions {
        lying_flush_chance: 1.0,
        ..SimOptions::default()
    };
    let forgetful = SimOptions {
        lost_write_chance: 1.0,
        ..SimOptions::default()
    };
    for (options, is_read_before) in [(lying, true), (forgetful, false)] {
        let mut lost = 0;
        for seed in 0..10 {
            let world = SimWorld::new(seed, SimOptions::default());
            run(&world, 1, |runtime| async move {
                let file = open(&runtime, "/f");
                file.write(0, vec![filled(4096, 1)], Durability::Sync).await.unwrap();
                runtime.sync_directory(Path::new("/")).unwrap();
            });
            world.change_options(|current| *current = options.clone());
            let read = run(&world, 1, |runtime| async move {
                let file = open(&runtime, "/f");
                file.write(0, vec![filled(4096, 2)], Durability::Sync).await.unwrap();
                file.flush().await.unwrap();
                file.read(0, 4096).await.unwrap()
            });
            assert_eq!(read.as_slice()[0] == 2, is_read_before);
            world.crash_node(1);
            lost += usize::from(world.read_file(1, Path::new("/f")).unwrap().contains(&1));
        }
        assert!(lost > 5);
    }
}

#[test]
fn unaligned_direct_input_and_output_is_refused() {
    let world = world(5);
    run(&world, 1, |runtime| async move {
        let file = open(&runtime, "/f");
        file.write(0, vec![filled(8192, 1)], Durability::Sync).await.unwrap();
        for write in [
            file.write(512, vec![filled(4096, 1)], Durability::None),
            file.write(0, vec![filled(100, 1)], Durability::None),
        ] {
            assert_eq!(write.await.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        let shifted = filled(8192, 1).slice(512..4608);
        assert_eq!(
            file.write(0, vec![shifted], Durability::None).await.unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
        assert_eq!(file.read(100, 4096).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_clock_offset_moves_the_wall_clock_alone() {
    let world = world(6);
    let (before, after) = run(&world, 1, {
        let world = world.clone();
        |runtime| async move {
            let before = (runtime.wall_ms(), runtime.now());
            world.set_clock_offset(1, -5_000);
            (before, (runtime.wall_ms(), runtime.now()))
        }
    });
    assert_eq!(after, (before.0 - 5_000, before.1));
    world.run_for(Duration::from_secs(7));
    assert_eq!(world.runtime(1).unwrap().wall_ms() - before.0, 2_000);
}
