//! See the files beside this one.

mod build;
mod check;
mod decrypt;
mod encrypt;
mod init;
mod keys;
mod verify;
