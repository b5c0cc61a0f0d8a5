//! A drive on a real block device: a loop device over a file. Needs root, as any raw device does; without it the tests say so.

use bytes::Bytes;
use openlake_drive::{
    Adoption, Answer, Ballot, Coding, Drive, DriveOptions, Key, Kind, MountCheck, OpenError, Record, Request, Shard, Space, Want, WriteId,
};
use openlake_io::{EngineKind, Runtime};
use std::path::PathBuf;
use std::process::Command;

/// A loop device that goes away with the test.
struct LoopDevice {
    device: PathBuf,
    file: PathBuf,
}

impl LoopDevice {
    fn new(name: &str, bytes: u64) -> Option<LoopDevice> {
        let file = std::env::temp_dir().join(format!("openlake-raw-{}-{name}", std::process::id()));
        let image = std::fs::File::create(&file).expect("an image file");
        image.set_len(bytes).expect("room for the image");
        let made = Command::new("losetup")
            .args(["--find", "--show", "--direct-io=on"])
            .arg(&file)
            .output();
        match made {
            Ok(made) if made.status.success() => {
                let device = String::from_utf8_lossy(&made.stdout).trim().into();
                Some(LoopDevice { device, file })
            }
            other => {
                std::fs::remove_file(&file).ok();
                let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
                assert!(!is_root, "losetup failed for root: {other:?}");
                eprintln!("not run: a loop device needs root");
                None
            }
        }
    }
    fn options(&self) -> DriveOptions {
        DriveOptions {
            path: self.device.clone(),
            cluster: [7; 16],
            set: 3,
            slot: 2,
            set_epoch: 1,
            mount_check: MountCheck::Strict,
            adoption: Adoption::FormatNew,
            capacity_bytes: None,
            cache_bytes: 1 << 20,
            index_bytes: 4 << 20,
            boot_at_least: 0,
        }
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        Command::new("losetup").arg("--detach").arg(&self.device).status().ok();
        std::fs::remove_file(&self.file).ok();
    }
}

fn key(number: u32) -> Key {
    Key {
        bucket: 5,
        space: Space::Object,
        name: format!("object-{number}").into(),
    }
}

fn payload(number: u32, length: usize) -> Bytes {
    (0..length).map(|at| (at as u32 ^ number.wrapping_mul(0x9e37)) as u8).collect()
}

fn record(runtime: &Runtime, number: u32, size: u64, shard: Shard) -> Record {
    let ballot = Ballot {
        clock: (runtime.wall_ms() << 16) + u64::from(number),
        node: 1,
        boot: 1,
    };
    Record {
        ballot,
        write_id: WriteId([number as u8; 16]),
        origin: ballot,
        base: None,
        kind: Kind::Data,
        unconditional: true,
        size,
        etag: [1; 16],
        etag_parts: 0,
        metadata: Bytes::new(),
        coding: Coding {
            data: 1,
            parity: 0,
            block_shift: 16,
            whole: true,
            manifest: false,
        },
        slot: 2,
        payload_size: size,
        shard,
    }
}

async fn read(drive: &Drive, number: u32) -> Option<Vec<u8>> {
    let want = Want::Blocks { first: 0, count: u32::MAX };
    match drive.handle(Request::Read { key: key(number), want }).await {
        Answer::State { shard: Some(shard), .. } => shard
            .blocks
            .into_iter()
            .map(|block| block.map(|block| block.bytes.to_vec()))
            .collect::<Option<Vec<_>>>()
            .map(|blocks| blocks.concat()),
        other => panic!("a read of {number} gave {other:?}"),
    }
}

async fn store(runtime: &Runtime, drive: &Drive) {
    for number in 0..20 {
        let bytes = payload(number, 5_000);
        let record = record(runtime, number, 5_000, Shard::Inline(bytes));
        assert_eq!(drive.handle(Request::Publish { key: key(number), record }).await, Answer::Ack);
    }
    let bytes = payload(99, 3 << 20);
    let stage = Request::Stage {
        key: key(99),
        write_id: WriteId([99; 16]),
        block_shift: 16,
        shard_length: bytes.len() as u64,
        offset: 0,
        bytes: bytes.clone(),
    };
    assert!(matches!(drive.handle(stage).await, Answer::Staged { .. }));
    let length = bytes.len() as u64;
    let record = record(runtime, 99, length, Shard::Staged { length });
    assert_eq!(drive.handle(Request::Publish { key: key(99), record }).await, Answer::Ack);
}

fn keeps_objects(engine: EngineKind) {
    let Some(device) = LoopDevice::new(&format!("{engine:?}"), 256 << 20) else {
        return;
    };
    let runtime = Runtime::new(engine).expect("the engine");
    runtime.run(async {
        let drive = Drive::open(&runtime, device.options()).await.expect("a blank device is formatted");
        store(&runtime, &drive).await;
        let busy = Drive::open(&runtime, device.options()).await.map(drop);
        assert!(
            matches!(busy, Err(OpenError::Busy(_))),
            "a device in use was opened again: {busy:?}"
        );
        drive.close().await;
        assert!(drive.status().storage.disk.is_some());
    });
    runtime.shutdown();
    drop(runtime);

    let runtime = Runtime::new(engine).expect("the engine");
    runtime.run(async {
        let refusing = DriveOptions {
            adoption: Adoption::Refuse,
            ..device.options()
        };
        let drive = Drive::open(&runtime, refusing).await.expect("the drive is found again");
        for number in 0..20 {
            assert_eq!(read(&drive, number).await, Some(payload(number, 5_000).to_vec()));
        }
        assert_eq!(read(&drive, 99).await, Some(payload(99, 3 << 20).to_vec()));
        drive.close().await;
    });
    runtime.shutdown();
}

#[test]
fn a_device_keeps_its_objects_over_a_restart() {
    keeps_objects(EngineKind::Poll);
}

#[test]
fn a_device_keeps_its_objects_under_io_uring_too() {
    if Runtime::probe().0 == EngineKind::Uring {
        keeps_objects(EngineKind::Uring);
    }
}

#[test]
fn a_device_with_something_else_on_it_is_refused_and_left_alone() {
    let Some(device) = LoopDevice::new("foreign", 64 << 20) else {
        return;
    };
    let made = Command::new("mkfs.ext4").arg("-q").arg(&device.device).status().expect("mkfs.ext4");
    assert!(made.success());
    let before = std::fs::read(&device.file).expect("the image");
    let runtime = Runtime::new(EngineKind::Poll).expect("the engine");
    let refused = runtime.run(async { Drive::open(&runtime, device.options()).await.map(drop) });
    match refused {
        Err(OpenError::Damaged(text)) => assert!(text.contains("not blank") && text.contains("wipe"), "{text}"),
        other => panic!("a device with a filesystem was opened: {other:?}"),
    }
    assert!(
        std::fs::read(&device.file).expect("the image") == before,
        "the refused device was written to"
    );
}

#[test]
fn a_blank_device_in_a_filled_slot_is_refused() {
    let Some(device) = LoopDevice::new("blank", 64 << 20) else { return };
    let runtime = Runtime::new(EngineKind::Poll).expect("the engine");
    let refusing = DriveOptions {
        adoption: Adoption::Refuse,
        ..device.options()
    };
    let refused = runtime.run(async { Drive::open(&runtime, refusing).await.map(drop) });
    assert!(matches!(refused, Err(OpenError::Blank(_))), "{refused:?}");
}
