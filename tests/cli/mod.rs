//! See the files beside this one.

mod build;
mod decrypt;
mod init;
