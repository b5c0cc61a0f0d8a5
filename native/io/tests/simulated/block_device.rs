//! A raw block device in the simulated file system: one fixed range of bytes under a path.

use crate::{address, filled, open, run, world};
use openlake_io::{Durability, OpenOptions, SimWorld};
use std::path::Path;

const SIZE: u64 = 1 << 20;
const PATH: &str = "/dev/nvme0n1";

fn with_device(seed: u64) -> SimWorld {
    let world = world(seed);
    let runtime = world.start_node(1, address(1));
    runtime.create_directory(Path::new("/dev")).unwrap();
    world.add_block_device(1, Path::new(PATH), SIZE).unwrap();
    world
}

#[test]
fn a_block_device_has_a_fixed_size_and_reads_as_zeros() {
    let world = with_device(1);
    run(&world, 1, |runtime| async move {
        let info = runtime.info(Path::new(PATH)).unwrap();
        assert!(info.is_block_device && !info.is_directory);
        let device = open(&runtime, PATH);
        assert_eq!(device.size_bytes().unwrap(), SIZE);
        assert_eq!(
            device.read(SIZE - 4096, 8192).await.unwrap().as_slice(),
            [0; 4096],
            "no further than its end"
        );
        let write = |offset| device.write(offset, vec![filled(4096, 1)], Durability::Sync);
        write(SIZE - 4096).await.unwrap();
        assert_eq!(write(SIZE).await.unwrap_err().raw_os_error(), Some(28), "ENOSPC");
        assert_eq!(device.allocate(0, 4096).await.unwrap_err().raw_os_error(), Some(95), "EOPNOTSUPP");
        assert_eq!(device.size_bytes().unwrap(), SIZE);
        assert!(runtime.remove(Path::new(PATH)).is_err());
        assert_eq!(runtime.list_directory(Path::new("/dev")).unwrap(), ["nvme0n1"]);
    });
}

#[test]
fn a_block_device_is_locked_by_one_process_at_a_time() {
    let world = with_device(2);
    run(&world, 1, |runtime| async move {
        let options = OpenOptions {
            write: true,
            lock: true,
            ..OpenOptions::default()
        };
        let first = runtime.open(Path::new(PATH), &options).unwrap();
        assert!(runtime.open(Path::new(PATH), &options).is_err());
        drop(first);
        runtime.open(Path::new(PATH), &options).unwrap();
    });
}

#[test]
fn a_power_cut_tears_unflushed_writes_of_a_block_device_and_keeps_the_rest() {
    let mut torn = 0;
    for seed in 0..30 {
        let world = with_device(seed);
        run(&world, 1, |runtime| async move {
            let device = open(&runtime, PATH);
            device.write(0, vec![filled(4096, b'd')], Durability::Sync).await.unwrap();
            device.write(4096, vec![filled(4096, b'v')], Durability::None).await.unwrap();
        });
        world.crash_node(1);
        let bytes = world.read_file(1, Path::new(PATH)).unwrap();
        assert_eq!((bytes.len() as u64, &bytes[..4096]), (SIZE, &[b'd'; 4096][..]), "seed {seed}");
        let kept = bytes[4096..8192].chunks(512).filter(|sector| sector[0] == b'v').count();
        torn += usize::from((1..8).contains(&kept));
    }
    assert!(torn > 15, "{torn} of 30");
}

#[test]
fn a_new_device_in_its_place_is_blank() {
    let world = with_device(3);
    run(&world, 1, |runtime| async move {
        open(&runtime, PATH)
            .write(0, vec![filled(4096, 1)], Durability::Sync)
            .await
            .unwrap();
    });
    world.stop_node(1);
    world.wipe_path(1, Path::new(PATH)).unwrap();
    assert!(world.read_file(1, Path::new(PATH)).unwrap().iter().all(|byte| *byte == 0));
}
