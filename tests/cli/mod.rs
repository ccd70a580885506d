//! See the files beside this one.

mod decrypt;
mod init;
