//! The two habits of every system call: -1 means `errno`, and an interrupted call is made again.

use std::io;

/// A call's result, or the error that `errno` names.
pub(crate) fn check<T: PartialOrd + From<i8>>(result: T) -> io::Result<T> {
    if result < T::from(0) {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// As [`check`], calling again as long as a signal interrupts.
pub(crate) fn retry<T: PartialOrd + From<i8>>(mut call: impl FnMut() -> T) -> io::Result<T> {
    loop {
        match check(call()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
