//! Making, naming and ending TCP sockets.

use super::RawAddress;
use super::calls::{check, retry};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Connections that the kernel keeps for a listener before it accepts them; Linux cuts it to net.core.somaxconn (4096).
const BACKLOG: i32 = 4096;

/// An unbound TCP socket of the address's family.
pub(crate) fn create(address: &SocketAddr, nonblocking: bool) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    #[cfg(target_os = "linux")]
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let kind = libc::SOCK_STREAM;
    // SAFETY: no pointers are involved.
    let raw = check(unsafe { libc::socket(family, kind, 0) })?;
    // SAFETY: `raw` was just opened and nobody else owns it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(raw) };
    prepare(&descriptor, nonblocking)?;
    Ok(descriptor)
}

/// A TCP socket to connect to `address`, bound to `from` where that is of the same family. The port is only chosen when it connects, so
/// that it need not be free for all destinations.
pub(crate) fn create_from(from: Option<IpAddr>, address: &SocketAddr, nonblocking: bool) -> io::Result<OwnedFd> {
    let descriptor = create(address, nonblocking)?;
    tune(descriptor.as_raw_fd(), address)?;
    if let Some(from) = from.filter(|from| from.is_ipv4() == address.is_ipv4()) {
        let raw = descriptor.as_raw_fd();
        #[cfg(target_os = "linux")]
        set_option(raw, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT)?;
        let name = RawAddress::from_address(&SocketAddr::new(from, 0));
        // SAFETY: the pointer and length describe `name`, alive during the call.
        check(unsafe { libc::bind(raw, name.as_pointer(), name.length) })
            .map_err(|error| io::Error::new(error.kind(), format!("cannot connect from {from}: {error}")))?;
    }
    Ok(descriptor)
}

/// Sets what a new or accepted socket needs beyond what its creation could ask for.
pub(crate) fn prepare(descriptor: &OwnedFd, nonblocking: bool) -> io::Result<()> {
    #[cfg(not(target_os = "linux"))]
    {
        let raw = descriptor.as_raw_fd();
        // SAFETY: plain flags of an open descriptor.
        check(unsafe { libc::fcntl(raw, libc::F_SETFD, libc::FD_CLOEXEC) })?;
        set_option(raw, libc::SOL_SOCKET, libc::SO_NOSIGPIPE)?;
    }
    if nonblocking {
        set_nonblocking(descriptor, true)?;
    }
    Ok(())
}

/// Chooses whether calls that would block fail instead.
pub(crate) fn set_nonblocking(descriptor: &OwnedFd, nonblocking: bool) -> io::Result<()> {
    let raw = descriptor.as_raw_fd();
    // SAFETY: plain flags of an open descriptor.
    let flags = check(unsafe { libc::fcntl(raw, libc::F_GETFL) })?;
    let wanted = if nonblocking {
        flags | libc::O_NONBLOCK
    } else {
        flags & !libc::O_NONBLOCK
    };
    // SAFETY: as above.
    check(unsafe { libc::fcntl(raw, libc::F_SETFL, wanted) }).map(drop)
}

/// What a connection to `peer` needs: small messages leave at once, and within the machine large ones are not paced.
pub(crate) fn tune(raw: RawFd, peer: &SocketAddr) -> io::Result<()> {
    if peer.ip().to_canonical().is_loopback() {
        stop_pacing(raw);
    }
    set_option(raw, libc::IPPROTO_TCP, libc::TCP_NODELAY)
}

/// Takes the congestion control that needs no pacing and that every kernel has and allows (Reno; a path without losses leaves it nothing
/// to do). One that paces (BBR) sets a timer for every 64 KiB, which costs about as much as sending them. Where it is refused, all works
/// as before.
fn stop_pacing(raw: RawFd) {
    #[cfg(target_os = "linux")]
    {
        let name = b"reno";
        // SAFETY: the pointer and length describe `name`, alive during the call.
        unsafe {
            libc::setsockopt(
                raw,
                libc::IPPROTO_TCP,
                libc::TCP_CONGESTION,
                name.as_ptr().cast(),
                name.len() as libc::socklen_t,
            )
        };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = raw;
}

fn set_option(raw: RawFd, level: i32, option: i32) -> io::Result<()> {
    let one: libc::c_int = 1;
    // SAFETY: the pointer and length describe `one`, alive during the call.
    check(unsafe {
        libc::setsockopt(
            raw,
            level,
            option,
            (&raw const one).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    })
    .map(drop)
}

/// A listening socket. `shared`: others may listen on the same address, and the kernel spreads connections over them.
pub(crate) fn listen(address: SocketAddr, shared: bool, nonblocking: bool) -> io::Result<OwnedFd> {
    let attempt = || {
        let descriptor = create(&address, nonblocking)?;
        let raw = descriptor.as_raw_fd();
        set_option(raw, libc::SOL_SOCKET, libc::SO_REUSEADDR)?;
        if shared {
            set_option(raw, libc::SOL_SOCKET, libc::SO_REUSEPORT)?;
        }
        let name = RawAddress::from_address(&address);
        // SAFETY: the pointer and length describe `name`, alive during the call.
        check(unsafe { libc::bind(raw, name.as_pointer(), name.length) })?;
        // SAFETY: no pointers are involved.
        check(unsafe { libc::listen(raw, BACKLOG) })?;
        Ok(descriptor)
    };
    attempt().map_err(|error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

pub(crate) fn local_address(raw: RawFd) -> io::Result<SocketAddr> {
    let mut name = RawAddress::room();
    // SAFETY: the pointers describe `name`, exclusively borrowed during the call.
    check(unsafe { libc::getsockname(raw, name.as_mut_pointer(), &mut name.length) })?;
    name.to_address()
}

pub(crate) fn peer_address(raw: RawFd) -> io::Result<SocketAddr> {
    let mut name = RawAddress::room();
    // SAFETY: as above.
    check(unsafe { libc::getpeername(raw, name.as_mut_pointer(), &mut name.length) })?;
    name.to_address()
}

/// Ends both directions; fine if they have ended.
pub(crate) fn shut_down(raw: RawFd) {
    // SAFETY: no pointers are involved; the descriptor is open as the caller holds its handle.
    let _ = unsafe { libc::shutdown(raw, libc::SHUT_RDWR) };
}

/// The error that ended a non-blocking connect, or success.
pub(crate) fn connect_outcome(raw: RawFd) -> io::Result<()> {
    let mut code: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the pointers describe `code` and `length`, exclusively borrowed during the call.
    check(unsafe { libc::getsockopt(raw, libc::SOL_SOCKET, libc::SO_ERROR, (&raw mut code).cast(), &mut length) })?;
    if code == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(code))
    }
}

/// Starts or makes a connection.
pub(crate) fn connect(raw: RawFd, address: &SocketAddr) -> io::Result<()> {
    let name = RawAddress::from_address(address);
    // SAFETY: the pointer and length describe `name`, alive during the call.
    check(unsafe { libc::connect(raw, name.as_pointer(), name.length) }).map(drop)
}

/// A connection from a listener's queue.
pub(crate) fn accept(raw: RawFd, nonblocking: bool) -> io::Result<(OwnedFd, SocketAddr)> {
    let mut name = RawAddress::room();
    #[cfg(target_os = "linux")]
    // SAFETY: the pointers describe `name`, exclusively borrowed during the call.
    let accepted = retry(|| unsafe { libc::accept4(raw, name.as_mut_pointer(), &mut name.length, libc::SOCK_CLOEXEC) })?;
    #[cfg(not(target_os = "linux"))]
    // SAFETY: as above.
    let accepted = retry(|| unsafe { libc::accept(raw, name.as_mut_pointer(), &mut name.length) })?;
    // SAFETY: `accepted` was just opened and nobody else owns it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(accepted) };
    prepare(&descriptor, nonblocking)?;
    let peer = name.to_address()?;
    tune(accepted, &peer)?;
    Ok((descriptor, peer))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn congestion_control(raw: RawFd) -> String {
        let mut name = [0_u8; 16];
        let mut length = name.len() as libc::socklen_t;
        // SAFETY: the pointers describe `name` and `length`, exclusively borrowed during the call.
        check(unsafe { libc::getsockopt(raw, libc::IPPROTO_TCP, libc::TCP_CONGESTION, name.as_mut_ptr().cast(), &mut length) })
            .expect("every connection has one");
        String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned()
    }

    #[test]
    fn both_ends_of_a_connection_within_the_machine_are_unpaced() {
        let listener = listen(([127, 0, 0, 1], 0).into(), false, false).expect("loopback works");
        let address = local_address(listener.as_raw_fd()).expect("it is bound");
        let client = create_from(None, &address, false).expect("a socket");
        connect(client.as_raw_fd(), &address).expect("it listens");
        let (server, _) = accept(listener.as_raw_fd(), false).expect("it was connected");
        for raw in [client.as_raw_fd(), server.as_raw_fd()] {
            assert_eq!(congestion_control(raw), "reno");
        }
    }
}
