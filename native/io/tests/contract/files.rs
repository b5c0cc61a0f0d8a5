//! Files: what is written is read, and errors say what is wrong.

use crate::Place;
use bytes::Bytes;
use openlake_io::{AlignedBuffer, Durability, File, OpenOptions};
use std::io::ErrorKind;

fn create() -> OpenOptions {
    OpenOptions {
        write: true,
        create: true,
        ..OpenOptions::default()
    }
}

/// Aligned bytes of a pattern that differs from block to block.
pub(crate) fn pattern(length: usize, seed: u64) -> Bytes {
    let mut buffer = AlignedBuffer::with_capacity(length);
    buffer.set_len(length);
    for (index, byte) in buffer.as_mut_slice().iter_mut().enumerate() {
        *byte = (index as u64 ^ (index as u64 >> 8) ^ seed.wrapping_mul(151)) as u8;
    }
    buffer.freeze()
}

fn new_file(place: &Place, name: &str) -> File {
    place.runtime.open(&place.folder.join(name), &create()).expect("a new file opens")
}

pub(crate) async fn create_write_read_back(place: Place) {
    let file = new_file(&place, "a");
    assert_eq!(file.size_bytes().unwrap(), 0);
    let (first, second) = (pattern(8192, 1), pattern(4096, 2));
    file.write(0, vec![first.clone(), second.clone()], Durability::Sync).await.unwrap();
    file.write(16384, vec![second.clone()], Durability::None).await.unwrap();
    file.flush().await.unwrap();
    assert_eq!(file.size_bytes().unwrap(), 20480);
    let whole = file.read(0, 20480).await.unwrap();
    assert_eq!(whole.as_slice()[..8192], first[..]);
    assert_eq!(whole.as_slice()[8192..12288], second[..]);
    assert!(
        whole.as_slice()[12288..16384].iter().all(|byte| *byte == 0),
        "a hole reads as zeros"
    );
    assert_eq!(whole.as_slice()[16384..], second[..]);
    let again = file.clone();
    drop(file);
    assert_eq!(again.read(8192, 4096).await.unwrap().as_slice(), &second[..]);
    again.write(0, Vec::new(), Durability::Sync).await.unwrap();
}

pub(crate) async fn a_read_at_the_end_is_short(place: Place) {
    let file = new_file(&place, "a");
    file.write(0, vec![pattern(8192, 1)], Durability::None).await.unwrap();
    assert_eq!(file.read(4096, 65536).await.unwrap().len(), 4096);
    assert_eq!(file.read(8192, 4096).await.unwrap().len(), 0);
    assert_eq!(file.read(1 << 30, 4096).await.unwrap().len(), 0);
    assert_eq!(file.read(0, 0).await.unwrap().len(), 0);
    let buffer = file.read_into(AlignedBuffer::with_capacity(8192), 0, 4096).await.unwrap();
    assert_eq!(buffer.as_slice(), &pattern(8192, 1)[..4096]);
    let error = file.read_into(AlignedBuffer::with_capacity(4096), 0, 8192).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

pub(crate) async fn a_vector_larger_than_one_call_is_written_whole(place: Place) {
    let file = new_file(&place, "a");
    let buffers: Vec<Bytes> = (0..1500).map(|index| pattern(4096, index)).collect();
    file.write(4096, buffers.clone(), Durability::Sync).await.unwrap();
    let read = file.read(4096, 1500 * 4096).await.unwrap();
    assert!(read.as_slice() == buffers.concat(), "6 MB in 1500 parts come back in order");
}

pub(crate) async fn buffered_files_take_any_length(place: Place) {
    let path = place.folder.join("text");
    let options = OpenOptions {
        buffered: true,
        ..create()
    };
    let file = place.runtime.open(&path, &options).unwrap();
    file.write(
        0,
        vec![Bytes::from_static(b"hello, "), Bytes::from_static(b"world")],
        Durability::Sync,
    )
    .await
    .unwrap();
    file.write(5, vec![Bytes::from_static(b";")], Durability::None).await.unwrap();
    file.flush().await.unwrap();
    let read = place
        .runtime
        .open(
            &path,
            &OpenOptions {
                buffered: true,
                ..OpenOptions::default()
            },
        )
        .unwrap();
    assert_eq!(read.read(0, 100).await.unwrap().as_slice(), b"hello; world");
    assert_eq!(read.read(7, 3).await.unwrap().as_slice(), b"wor");
    let error = read.write(0, vec![Bytes::from_static(b"x")], Durability::None).await.unwrap_err();
    assert!(
        error.raw_os_error().is_some() || error.kind() == ErrorKind::PermissionDenied,
        "not opened for writing: {error}"
    );
}

pub(crate) async fn allocate_extends_with_zeros(place: Place) {
    let file = new_file(&place, "a");
    file.allocate(0, 1 << 20).await.unwrap();
    assert_eq!(file.size_bytes().unwrap(), 1 << 20);
    file.write(4096, vec![pattern(4096, 3)], Durability::Sync).await.unwrap();
    file.allocate(0, 4096).await.unwrap();
    assert_eq!(file.size_bytes().unwrap(), 1 << 20, "allocating inside shrinks nothing");
    let read = file.read(0, 12288).await.unwrap();
    assert!(read.as_slice()[..4096].iter().all(|byte| *byte == 0));
    assert_eq!(read.as_slice()[4096..8192], pattern(4096, 3)[..]);
}

pub(crate) async fn rename_replaces(place: Place) {
    let (from, to) = (place.folder.join("new"), place.folder.join("current"));
    new_file(&place, "current")
        .write(0, vec![pattern(4096, 1)], Durability::None)
        .await
        .unwrap();
    let file = new_file(&place, "new");
    file.write(0, vec![pattern(4096, 2)], Durability::Sync).await.unwrap();
    place.runtime.rename(&from, &to).unwrap();
    place.runtime.sync_directory(&place.folder).unwrap();
    assert_eq!(place.runtime.info(&from).unwrap_err().kind(), ErrorKind::NotFound);
    let renamed = place.runtime.open(&to, &OpenOptions::default()).unwrap();
    assert_eq!(renamed.read(0, 4096).await.unwrap().as_slice(), &pattern(4096, 2)[..]);
    assert_eq!(place.runtime.rename(&from, &to).unwrap_err().kind(), ErrorKind::NotFound);
}

pub(crate) async fn list_is_sorted_and_remove_removes(place: Place) {
    for name in ["b", "c", "a"] {
        new_file(&place, name);
    }
    let inner = place.folder.join("inner");
    place.runtime.create_directory(&inner).unwrap();
    place.runtime.create_directory(&inner).unwrap();
    assert_eq!(place.runtime.list_directory(&place.folder).unwrap(), ["a", "b", "c", "inner"]);
    place.runtime.remove(&place.folder.join("b")).unwrap();
    assert_eq!(place.runtime.list_directory(&place.folder).unwrap(), ["a", "c", "inner"]);
    assert_eq!(place.runtime.list_directory(&inner).unwrap(), [""; 0]);
    assert_eq!(
        place.runtime.remove(&place.folder.join("b")).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        place.runtime.list_directory(&place.folder.join("x")).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    // A removed file lives on in who has it open.
    let file = new_file(&place, "a");
    place.runtime.remove(&place.folder.join("a")).unwrap();
    file.write(0, vec![pattern(4096, 9)], Durability::None).await.unwrap();
    assert_eq!(file.read(0, 4096).await.unwrap().as_slice(), &pattern(4096, 9)[..]);
}

pub(crate) async fn missing_and_existing_are_told_apart(place: Place) {
    let path = place.folder.join("a");
    let kind = |options: &OpenOptions| place.runtime.open(&path, options).err().map(|error| error.kind());
    assert_eq!(kind(&OpenOptions::default()), Some(ErrorKind::NotFound));
    assert_eq!(
        kind(&OpenOptions {
            write: true,
            ..OpenOptions::default()
        }),
        Some(ErrorKind::NotFound)
    );
    assert_eq!(
        kind(&OpenOptions {
            create_new: true,
            ..create()
        }),
        None
    );
    assert_eq!(
        kind(&OpenOptions {
            create_new: true,
            ..create()
        }),
        Some(ErrorKind::AlreadyExists)
    );
    assert_eq!(kind(&create()), None);
    let inside = place.folder.join("missing").join("a");
    assert_eq!(
        place.runtime.open(&inside, &create()).err().map(|error| error.kind()),
        Some(ErrorKind::NotFound)
    );
}

pub(crate) async fn a_lock_excludes(place: Place) {
    let path = place.folder.join("a");
    let options = OpenOptions { lock: true, ..create() };
    let first = place.runtime.open(&path, &options).unwrap();
    assert_eq!(
        place.runtime.open(&path, &options).err().map(|error| error.kind()),
        Some(ErrorKind::WouldBlock)
    );
    place.runtime.open(&path, &create()).expect("an open without lock is not excluded");
    drop(first);
    place.runtime.open(&path, &options).expect("the lock went with its file");
}

pub(crate) async fn many_reads_at_once(place: Place) {
    let file = new_file(&place, "a");
    let blocks: Vec<Bytes> = (0..200).map(|index| pattern(4096, index)).collect();
    let writes = blocks.iter().enumerate().map(|(index, block)| {
        let durability = if index % 3 == 0 { Durability::Sync } else { Durability::None };
        file.write(index as u64 * 4096, vec![block.clone()], durability)
    });
    futures_util::future::try_join_all(writes).await.unwrap();
    file.flush().await.unwrap();
    let reads = (0..200).rev().map(|index| file.read(index * 4096, 4096));
    let read = futures_util::future::try_join_all(reads).await.unwrap();
    for (block, read) in blocks.iter().rev().zip(&read) {
        assert_eq!(read.as_slice(), &block[..]);
    }
}

pub(crate) async fn a_dropped_read_harms_nobody(place: Place) {
    let file = new_file(&place, "a");
    file.write(0, vec![pattern(1 << 20, 5)], Durability::None).await.unwrap();
    for _ in 0..20 {
        let mut read = Box::pin(file.read(0, 1 << 20));
        assert!(futures_util::poll!(read.as_mut()).is_pending());
        drop(read);
        let mut write = Box::pin(file.write(1 << 20, vec![pattern(65536, 6)], Durability::Sync));
        assert!(futures_util::poll!(write.as_mut()).is_pending());
        drop(write);
    }
    assert_eq!(file.read(0, 1 << 20).await.unwrap().as_slice(), &pattern(1 << 20, 5)[..]);
}

pub(crate) async fn space_and_info_are_believable(place: Place) {
    let (free, total) = place.runtime.space(&place.folder).unwrap();
    assert!(free <= total && total > 0);
    let file = new_file(&place, "a");
    file.write(0, vec![pattern(4096, 1)], Durability::None).await.unwrap();
    let info = place.runtime.info(&place.folder.join("a")).unwrap();
    assert_eq!((info.size_bytes, info.is_directory, info.is_block_device), (4096, false, false));
    let folder = place.runtime.info(&place.folder).unwrap();
    assert!(folder.is_directory && folder.device == info.device);
}
