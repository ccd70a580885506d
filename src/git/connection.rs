//! The git protocol, version 2, over HTTP or SSH: what a server offers, and its packs. Source: gitprotocol-v2(5).
//!
//! Spoken here rather than by a library, so that each answer is bounded before it is read, nothing is retried with other
//! credentials, and every refusal keeps its meaning. A fetch is one exchange: what is wanted and what is there already
//! are both known, so there is nothing to negotiate.

use std::io::{self, BufReader, Read};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::http::Http;
use super::pktline::{self, DELIMITER, FLUSH, Frame, FrameError};
use super::reference::is_reference_name;
use super::ssh::Ssh;
use super::transport::TakePack;
use super::wire::{Answer, Question, Wire};
use super::{Algorithm, Error, Offer, Oid, Remote, Transport};

/// A repository behind a server that speaks git's smart protocol. Calls block.
pub struct Connection {
    wire: Box<dyn Wire>,
    /// What the server can do, and when it said so: a quiet check is one request, not two.
    capabilities: Mutex<Option<(Algorithm, Instant)>>,
}

impl Connection {
    /// Connects to nothing yet.
    pub fn new(remote: Remote) -> Result<Self, Error> {
        let wire: Box<dyn Wire> = match remote.url.ssh().cloned() {
            Some(address) => Box::new(Ssh::new(remote, address)?),
            None => Box::new(Http::new(remote)?),
        };
        Ok(Self { wire, capabilities: Mutex::new(None) })
    }

    fn algorithm(&self, deadline: Instant) -> Result<Algorithm, Error> {
        let mut known = self.capabilities.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((algorithm, _)) = known.filter(|(_, since)| since.elapsed() < REMEMBERED) {
            return Ok(algorithm);
        }
        let algorithm = capabilities(&mut self.wire.ask(Question::Capabilities, deadline)?)?;
        *known = Some((algorithm, Instant::now()));
        Ok(algorithm)
    }

    fn command(
        &self,
        name: &str,
        algorithm: Algorithm,
        arguments: &[String],
        deadline: Instant,
    ) -> Result<Answer<'_>, Error> {
        let mut request = Vec::new();
        pktline::write(&mut request, &format!("command={name}"));
        // A server that knows no other hash function knows no such word, and would refuse it.
        match algorithm {
            Algorithm::Sha1 => {}
            Algorithm::Sha256 => pktline::write(&mut request, "object-format=sha256"),
        }
        request.extend_from_slice(DELIMITER);
        for argument in arguments {
            pktline::write(&mut request, argument);
        }
        request.extend_from_slice(FLUSH);
        let answer = self.wire.ask(Question::Command(request), deadline);
        if answer.is_err() {
            *self.capabilities.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        answer
    }

    /// The references whose full names begin with `prefix`.
    fn offers(&self, prefix: &str, algorithm: Algorithm, deadline: Instant) -> Result<Vec<Offer>, Error> {
        let mut answer = self.command("ls-refs", algorithm, &[format!("ref-prefix {prefix}")], deadline)?;
        let mut offers = Vec::new();
        while let Some(line) = self.line(&mut answer)? {
            if offers.len() >= MAX_REFERENCES {
                return Err(answer.bad("it offers more references than can be meant"));
            }
            let mut parts = line.split(' ');
            let (id, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let id: Oid = id.parse().map_err(|_| answer.bad("a reference has no object id"))?;
            if id.algorithm() != algorithm {
                return Err(answer.bad("a reference's id is not made by the hash function it names"));
            }
            // What was not asked for, and what git takes for no name, nobody means; a name is short therefore.
            if name.starts_with(prefix) && is_reference_name(name) {
                offers.push(Offer { name: name.to_owned(), id });
            }
        }
        Ok(offers)
    }

    fn offers_anything(&self, algorithm: Algorithm, deadline: Instant) -> Result<bool, Error> {
        let mut answer = self.command("ls-refs", algorithm, &[], deadline)?;
        Ok(self.line(&mut answer)?.is_some())
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.wire.remote().timeout
    }

    /// The next line, without its end; `None` at the end of the message.
    fn line(&self, answer: &mut Answer<'_>) -> Result<Option<String>, Error> {
        match frame(answer)? {
            Frame::Flush => Ok(None),
            Frame::Delimiter => Ok(Some(String::new())),
            Frame::Data(data) => {
                let line = std::str::from_utf8(&data).map_err(|_| answer.bad("a line is not text"))?;
                let line = line.strip_suffix('\n').unwrap_or(line);
                match line.strip_prefix("ERR ") {
                    Some(text) => Err(self.declined(text)),
                    None => Ok(Some(line.to_owned())),
                }
            }
        }
    }

    fn declined(&self, text: &str) -> Error {
        Error::Declined { url: self.url().to_owned(), text: self.wire.words(text) }
    }
}

impl Transport for Connection {
    fn url(&self) -> &str {
        self.wire.remote().url.as_str()
    }

    fn look(&self, name: &str) -> Result<(Algorithm, Option<Offer>), Error> {
        let deadline = self.deadline();
        let algorithm = self.algorithm(deadline)?;
        let offers = self.offers(name, algorithm, deadline)?;
        match offers.into_iter().find(|offer| offer.name == name) {
            Some(offer) => Ok((algorithm, Some(offer))),
            None if self.offers_anything(algorithm, deadline)? => Ok((algorithm, None)),
            None => Err(Error::Empty { url: self.url().to_owned() }),
        }
    }

    fn tags(&self) -> Result<(Algorithm, Vec<Offer>), Error> {
        let deadline = self.deadline();
        let algorithm = self.algorithm(deadline)?;
        let offers = self.offers("refs/tags/", algorithm, deadline)?;
        if offers.is_empty() && !self.offers_anything(algorithm, deadline)? {
            return Err(Error::Empty { url: self.url().to_owned() });
        }
        Ok((algorithm, offers))
    }

    fn fetch(&self, want: &Oid, have: &[Oid], take: &mut TakePack<'_>) -> Result<(), Error> {
        let deadline = self.deadline();
        let algorithm = self.algorithm(deadline)?;
        let mut arguments = vec!["no-progress".to_owned(), "ofs-delta".to_owned(), format!("want {want}")];
        arguments.extend(have.iter().map(|id| format!("have {id}")));
        arguments.push("done".to_owned());
        let mut answer = self.command("fetch", algorithm, &arguments, deadline)?;
        match self.line(&mut answer) {
            Ok(Some(section)) if section == "packfile" => {}
            Ok(Some(section)) if section == "shallow-info" => {
                return Err(answer.bad("the repository is shallow: it does not hold the whole history"));
            }
            Ok(_) => return Err(answer.bad("there is no pack in it")),
            Err(Error::Declined { text, url }) if text.contains("not our ref") => {
                return Err(Error::Gone { url, reference: format!("object {want}") });
            }
            Err(error) => return Err(error),
        }
        let mut pack =
            BufReader::new(PackStream { connection: self, answer, band: Vec::new(), at: 0, rate: None, fault: None });
        let taken = take(&mut pack);
        // Where the stream broke, that is the reason; what the pack's reader makes of it is not.
        pack.into_inner().fault.map_or(taken, Err)
    }
}

/// The pack out of the side band it comes in.
struct PackStream<'a> {
    connection: &'a Connection,
    answer: Answer<'a>,
    band: Vec<u8>,
    at: usize,
    /// Since when, and how many bytes: restarted every [`RATE_WINDOW`].
    rate: Option<(Instant, usize)>,
    fault: Option<Error>,
}

impl PackStream<'_> {
    /// The next part of the pack; empty at its end.
    fn next(&mut self) -> Result<Vec<u8>, Error> {
        loop {
            let Frame::Data(data) = frame(&mut self.answer)? else { return Ok(Vec::new()) };
            match data.split_first() {
                // Empty ones keep the connection alive while the server thinks.
                Some((1, []) | (2, _)) => self.hurry(0)?,
                Some((1, part)) => {
                    self.hurry(part.len())?;
                    return Ok(part.to_vec());
                }
                Some((3, text)) => return Err(self.connection.declined(&String::from_utf8_lossy(text))),
                Some(_) | None => return Err(self.answer.bad("a part of the pack is in no known side band")),
            }
        }
    }

    /// Refuses a server that drips. Time before the first byte counts for nothing: it gathers objects.
    fn hurry(&mut self, bytes: usize) -> Result<(), Error> {
        let Some((since, sum)) = &mut self.rate else {
            self.rate = (bytes > 0).then(|| (Instant::now(), bytes));
            return Ok(());
        };
        *sum += bytes;
        if since.elapsed() < RATE_WINDOW {
            return Ok(());
        }
        let slow = *sum < MIN_BYTES;
        self.rate = Some((Instant::now(), 0));
        if slow { Err(self.answer.timed_out()) } else { Ok(()) }
    }
}

impl Read for PackStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.fault.is_some() {
            return Err(io::Error::other("the pack broke off"));
        }
        if self.at == self.band.len() {
            self.band = self.next().map_err(|fault| {
                self.fault = Some(fault);
                io::Error::other("the pack broke off")
            })?;
            self.at = 0;
        }
        let count = buffer.len().min(self.band.len() - self.at);
        buffer[..count].copy_from_slice(&self.band[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// The hash function, out of what a server says it can do.
fn capabilities(answer: &mut Answer<'_>) -> Result<Algorithm, Error> {
    let mut lines = Vec::new();
    for _ in 0..MAX_CAPABILITIES {
        match frame(answer)? {
            // The first message is a comment, and ends.
            Frame::Flush if lines.iter().all(|line: &String| line.starts_with("# ")) && !lines.is_empty() => {
                lines.clear();
            }
            Frame::Flush => return read_capabilities(&lines).map_err(|what| answer.bad(what)),
            Frame::Delimiter => return Err(answer.bad("its capabilities are in sections")),
            Frame::Data(line) => lines.push(String::from_utf8_lossy(&line).trim_end().to_owned()),
        }
    }
    Err(answer.bad("it names more capabilities than there are"))
}

fn read_capabilities(lines: &[String]) -> Result<Algorithm, &'static str> {
    let Some((version, capabilities)) = lines.split_first() else { return Err("it names no capabilities") };
    if version != "version 2" {
        return Err("the server speaks an older version");
    }
    let value = |name: &str| capabilities.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let knows = |name: &str| capabilities.iter().any(|line| line == name) || value(name).is_some();
    if !knows("ls-refs") || !knows("fetch") {
        return Err("the server can neither list nor send");
    }
    match value("object-format") {
        None | Some("sha1") => Ok(Algorithm::Sha1),
        Some("sha256") => Ok(Algorithm::Sha256),
        Some(_) => Err("its object format is neither sha1 nor sha256"),
    }
}

fn frame(answer: &mut Answer<'_>) -> Result<Frame, Error> {
    pktline::read(answer).map_err(|error| match error {
        FrameError::Io(error) => answer.fault(error),
        FrameError::Cut => answer.bad("it ends early"),
        FrameError::Length => answer.bad("a frame has an impossible length"),
    })
}

/// How long a server's capabilities are remembered.
const REMEMBERED: Duration = Duration::from_mins(10);
/// Upper bound on capability lines; git names about ten.
const MAX_CAPABILITIES: usize = 256;
/// Upper bound on references that begin with the name asked for.
const MAX_REFERENCES: usize = 10_000;
/// How long the rate of a pack is measured.
const RATE_WINDOW: Duration = Duration::from_secs(30);
/// Fewer bytes of a pack than this within [`RATE_WINDOW`] are a server that drips.
const MIN_BYTES: usize = 30 << 10;

#[cfg(test)]
mod tests {
    use super::read_capabilities;
    use crate::git::Algorithm;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn version_two_with_its_hash_function_is_taken() {
        let said = "version 2\nagent=git/2.39.5\nls-refs=unborn\nfetch=shallow wait-for-done\nobject-format=sha256";
        assert_eq!(read_capabilities(&lines(said)), Ok(Algorithm::Sha256));
        assert_eq!(read_capabilities(&lines("version 2\nls-refs\nfetch")), Ok(Algorithm::Sha1));
    }

    #[test]
    fn what_is_not_version_two_is_refused() {
        for said in
            ["", "version 1", "version 2", "version 2\nls-refs\nfetch\nobject-format=md5", "4f1c HEAD\nls-refs\nfetch"]
        {
            assert!(read_capabilities(&lines(said)).is_err(), "{said:?}");
        }
    }
}
