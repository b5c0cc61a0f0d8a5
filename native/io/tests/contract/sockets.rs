//! Sockets: ordered bytes, ends that are seen, and cancellation that loses nothing.

use crate::Place;
use crate::files::pattern;
use bytes::Bytes;
use openlake_io::{AlignedBuffer, Listener, Socket};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

async fn pair(place: &Place) -> (Socket, Socket) {
    let listener = place.runtime.listen(place.address, false).unwrap();
    connect_to(place, &listener).await
}

async fn connect_to(place: &Place, listener: &Listener) -> (Socket, Socket) {
    let address = listener.local_address().unwrap();
    let (connected, accepted) = futures_util::join!(place.runtime.connect(address), listener.accept());
    (connected.unwrap(), accepted.unwrap().0)
}

/// Receives exactly `length` bytes.
async fn receive_exactly(socket: &Socket, length: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < length {
        let (buffer, count) = socket.receive(AlignedBuffer::with_capacity(65536)).await.unwrap();
        assert!(count > 0, "the stream ended after {} of {length} bytes", all.len());
        assert_eq!(count, buffer.len());
        all.extend_from_slice(buffer.as_slice());
    }
    assert_eq!(all.len(), length);
    all
}

pub(crate) async fn echo(place: Place) {
    let (client, server) = pair(&place).await;
    place.runtime.spawn(async move {
        loop {
            let (buffer, count) = server.receive(AlignedBuffer::with_capacity(4096)).await.unwrap();
            if count == 0 {
                return;
            }
            server.send(vec![buffer.freeze()]).await.unwrap();
        }
    });
    for length in [1, 100, 4096, 50_000] {
        let bytes = pattern(length, 1);
        client.send(vec![bytes.clone()]).await.unwrap();
        assert_eq!(receive_exactly(&client, length).await, &bytes[..]);
    }
}

pub(crate) async fn a_large_vector_arrives_in_order(place: Place) {
    let (client, server) = pair(&place).await;
    let parts: Vec<Bytes> = (0..2500).map(|index| pattern(1 + (index * 37) % 6000, index as u64)).collect();
    let whole = parts.concat();
    let (sent, received) = futures_util::join!(client.send(parts), receive_exactly(&server, whole.len()));
    sent.unwrap();
    assert!(received == whole);
}

pub(crate) async fn an_empty_send_is_done(place: Place) {
    let (client, server) = pair(&place).await;
    client.send(Vec::new()).await.unwrap();
    client
        .send(vec![Bytes::new(), Bytes::from_static(b"x"), Bytes::new()])
        .await
        .unwrap();
    assert_eq!(receive_exactly(&server, 1).await, b"x");
}

pub(crate) async fn the_end_of_the_stream_is_zero(place: Place) {
    let (client, server) = pair(&place).await;
    client.send(vec![Bytes::from_static(b"last")]).await.unwrap();
    drop(client);
    assert_eq!(receive_exactly(&server, 4).await, b"last");
    for _ in 0..2 {
        let (buffer, count) = server.receive(AlignedBuffer::with_capacity(4096)).await.unwrap();
        assert_eq!((buffer.len(), count), (0, 0));
    }
}

pub(crate) async fn a_cancelled_receive_loses_nothing(place: Place) {
    let (client, server) = pair(&place).await;
    let sender = place.runtime.clone();
    place.runtime.spawn(async move {
        for index in 0..200u32 {
            client.send(vec![Bytes::copy_from_slice(&index.to_le_bytes())]).await.unwrap();
            sender.sleep(Duration::from_micros(u64::from(index) % 7 * 20)).await;
        }
    });
    let mut all = Vec::new();
    let mut cancelled = 0;
    while all.len() < 800 {
        let wait = Duration::from_micros(20 + all.len() as u64 % 5 * 20);
        match place
            .runtime
            .timeout(wait, server.receive(AlignedBuffer::with_capacity(4096)))
            .await
        {
            Ok(result) => {
                let (buffer, count) = result.unwrap();
                assert!(count > 0);
                all.extend_from_slice(buffer.as_slice());
            }
            Err(_) => cancelled += 1,
        }
    }
    assert!(cancelled > 0, "some receives must have been cancelled for this to mean anything");
    let expected: Vec<u8> = (0..200u32).flat_map(u32::to_le_bytes).collect();
    assert!(all == expected);
}

pub(crate) async fn a_cancelled_accept_loses_nothing(place: Place) {
    let listener = place.runtime.listen(place.address, false).unwrap();
    let address = listener.local_address().unwrap();
    assert!(place.runtime.timeout(Duration::from_millis(1), listener.accept()).await.is_err());
    for _ in 0..10 {
        drop(Box::pin(listener.accept()));
        let (client, server) = connect_to(&place, &listener).await;
        client.send(vec![Bytes::from_static(b"x")]).await.unwrap();
        assert_eq!(receive_exactly(&server, 1).await, b"x");
    }
    drop(listener);
    let error = place.runtime.connect(address).await.err().expect("the listener is gone");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

pub(crate) async fn refused(place: Place) {
    let address = place.runtime.listen(place.address, false).unwrap().local_address().unwrap();
    let error = place.runtime.connect(address).await.err().expect("nobody listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

pub(crate) async fn shutdown_ends_a_pending_receive(place: Place) {
    let (client, server) = pair(&place).await;
    let other = client.clone();
    let runtime = place.runtime.clone();
    place.runtime.spawn(async move {
        runtime.sleep(Duration::from_millis(2)).await;
        other.shutdown();
    });
    let ended = client.receive(AlignedBuffer::with_capacity(4096)).await;
    assert!(!matches!(ended, Ok((_, 1..))), "nothing was sent");
    assert!(client.send(vec![Bytes::from_static(b"x")]).await.is_err());
    let peer = server.receive(AlignedBuffer::with_capacity(4096)).await;
    assert!(!matches!(peer, Ok((_, 1..))), "the peer sees the end too");
}

pub(crate) async fn sending_to_a_closed_peer_fails(place: Place) {
    let (client, server) = pair(&place).await;
    drop(server);
    let mut failed = false;
    for _ in 0..100 {
        failed = failed || client.send(vec![pattern(4096, 1)]).await.is_err();
        place.runtime.sleep(Duration::from_millis(1)).await;
    }
    assert!(failed);
}

pub(crate) async fn both_directions_at_once(place: Place) {
    let (client, server) = pair(&place).await;
    let (there, back) = (pattern(2 << 20, 1), pattern(3 << 20, 2));
    let (first, second, third, fourth) = futures_util::join!(
        client.send(vec![there.clone()]),
        server.send(vec![back.clone()]),
        receive_exactly(&client, back.len()),
        receive_exactly(&server, there.len()),
    );
    first.unwrap();
    second.unwrap();
    assert!(third == back && fourth == there);
}

pub(crate) async fn receive_appends(place: Place) {
    let (client, server) = pair(&place).await;
    client.send(vec![pattern(5000, 1)]).await.unwrap();
    let mut buffer = AlignedBuffer::with_capacity(8192);
    buffer.append(b"head");
    while buffer.len() < 5004 {
        buffer = server.receive(buffer).await.unwrap().0;
    }
    assert_eq!(&buffer.as_slice()[..4], b"head");
    assert_eq!(&buffer.as_slice()[4..], &pattern(5000, 1)[..]);
    buffer.set_len(8192);
    assert_eq!(server.receive(buffer).await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

pub(crate) async fn addresses_match(place: Place) {
    let listener = place.runtime.listen(place.address, true).unwrap();
    let address = listener.local_address().unwrap();
    assert_eq!(address.ip(), place.address.ip());
    assert_ne!(address.port(), 0);
    let second = place
        .runtime
        .listen(address, true)
        .expect("a shared address can be listened on twice");
    drop(second);
    assert!(place.runtime.listen(address, false).is_err(), "the address is in use");
    let (connected, accepted) = futures_util::join!(place.runtime.connect(address), listener.accept());
    let (client, (server, peer)) = (connected.unwrap(), accepted.unwrap());
    assert_eq!(client.peer_address().unwrap(), address);
    assert_eq!(server.peer_address().unwrap(), peer);
    assert_eq!(peer.ip(), address.ip());
    // A connection leaves from where it is told to; an address of the other family says nothing about it.
    let own: IpAddr = if address.ip().is_loopback() {
        [127, 0, 0, 7].into()
    } else {
        address.ip()
    };
    for (from, seen) in [(own, own), (Ipv6Addr::LOCALHOST.into(), address.ip())] {
        let (connected, accepted) = futures_util::join!(place.runtime.connect_from(Some(from), address), listener.accept());
        connected.unwrap();
        assert_eq!(accepted.unwrap().1.ip(), seen);
    }
}

pub(crate) async fn a_hundred_connections(place: Place) {
    let listener = place.runtime.listen(place.address, false).unwrap();
    let address = listener.local_address().unwrap();
    let runtime = place.runtime.clone();
    place.runtime.spawn(async move {
        for _ in 0..100 {
            let (socket, _) = listener.accept().await.unwrap();
            runtime.spawn(async move {
                let bytes = receive_exactly(&socket, 10_000).await;
                socket.send(vec![Bytes::from(bytes)]).await.unwrap();
            });
        }
    });
    let clients = (0..100).map(|index| {
        let runtime = &place.runtime;
        async move {
            let socket = runtime.connect(address).await.unwrap();
            let bytes = pattern(10_000, index);
            socket.send(vec![bytes.clone()]).await.unwrap();
            assert_eq!(receive_exactly(&socket, 10_000).await, &bytes[..]);
        }
    });
    futures_util::future::join_all(clients).await;
}

pub(crate) async fn a_detached_connection_goes_on(place: Place) {
    let (client, server) = pair(&place).await;
    let other = server.clone();
    assert_eq!(server.detach().await.err().map(|error| error.kind()), Some(ErrorKind::ResourceBusy));
    let server = other;
    // A cancelled receive that got bytes leaves them to the next runtime.
    let mut receive = Box::pin(server.receive(AlignedBuffer::with_capacity(4096)));
    assert!(futures_util::poll!(receive.as_mut()).is_pending());
    client.send(vec![Bytes::from_static(b"first ")]).await.unwrap();
    drop(receive);
    let detached = server.detach().await.unwrap();
    client.send(vec![Bytes::from_static(b"second")]).await.unwrap();
    let server = place.runtime.attach(detached).unwrap();
    assert_eq!(receive_exactly(&server, 12).await, b"first second");
    server.send(vec![Bytes::from_static(b"back")]).await.unwrap();
    assert_eq!(receive_exactly(&client, 4).await, b"back");
    drop(server);
    assert_eq!(client.receive(AlignedBuffer::with_capacity(4096)).await.unwrap().1, 0);
}
