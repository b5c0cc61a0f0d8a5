//! The space of a drive: how it is cut, what is where, what is free.

mod allocator;
mod extent;
mod extent_set;
mod geometry;
mod held;
mod image;
mod ledger;
mod log_segments;
mod place;
mod rules;

pub(crate) use allocator::{Segment, SegmentClass, Space};
pub(crate) use extent::{Extent, pieces};
pub(crate) use extent_set::{ExtentRegistry, ExtentSet};
pub(crate) use geometry::Geometry;
pub(crate) use image::{BitmapImage, LogSegmentImage, SpaceImage};
pub(crate) use ledger::Ledger;
pub(crate) use place::Place;
pub(crate) use rules::{Claim, KEPT_FROM_INDEX, KEPT_FROM_LOG, KEPT_FROM_MERGES, Supply};
