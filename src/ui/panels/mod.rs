//! The panels around the slices. Each draws from `&Workspace` and pushes commands; none keeps a copy of the document.

pub mod about;
pub mod key_sheet;
pub mod layers;
pub mod menu;
pub mod palette;
pub mod path_dialog;
pub mod patients;
pub mod review;
pub mod settings;
pub mod start;
pub mod status;
pub mod toolbar;
pub mod train;
