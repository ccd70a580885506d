//! See the files beside this one.

mod build;
mod build_at;
mod check;
mod decrypt;
mod encrypt;
mod init;
mod keys;
mod verify;
