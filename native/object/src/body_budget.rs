//! Memory of one core for bodies on their way, beyond the one stripe or span that each of them needs to go on at all.
//!
//! Whoever wants to have more under way asks first. Where nothing is left it goes on with one piece at a time: slower, but no number of
//! clients makes a node run out of memory, and none of them sees an error.

use std::cell::Cell;
use std::rc::Rc;

/// Bytes that are left.
pub(crate) struct BodyBudget(Cell<usize>);

/// Bytes taken; given back when dropped.
pub(crate) struct Hold {
    budget: Rc<BodyBudget>,
    bytes: usize,
}

impl BodyBudget {
    pub fn new(bytes: usize) -> Rc<BodyBudget> {
        Rc::new(BodyBudget(Cell::new(bytes)))
    }
    /// Takes bytes, if so many are left.
    pub fn take(self: &Rc<BodyBudget>, bytes: usize) -> Option<Hold> {
        self.0.set(self.0.get().checked_sub(bytes)?);
        let budget = self.clone();
        Some(Hold { budget, bytes })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.budget.0.set(self.budget.0.get() + self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_can_be_taken_again() {
        let budget = BodyBudget::new(10);
        let (one, two) = (budget.take(6), budget.take(6));
        assert!(one.is_some() && two.is_none());
        let rest = budget.take(4);
        assert!(rest.is_some() && budget.take(1).is_none());
        drop(one);
        assert!(budget.take(6).is_some());
    }
}
