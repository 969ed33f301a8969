//! A lean HTTP/1.1 client: it shares two cores with what it measures.
//!
//! One thread; a connection writes one request in one piece, reads its answer into the same buffer
//! and goes on. Bodies are looked at no further than the check of the answer demands.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Something that writes the next request; `None` when there are no more.
pub trait Calls: Send {
    /// Appends a whole request.
    fn next(&mut self, random: &mut dyn rand::RngCore, request: &mut Vec<u8>) -> Option<()>;

    /// Sees the body of the answer, for callers whose next request depends on it.
    fn answered(&mut self, _body: &[u8]) {}
}

/// What a round of load came to.
#[derive(Debug, Default)]
pub struct Round {
    /// Time of each call, microseconds.
    pub latencies_us: Vec<u32>,
    /// Bytes of all answers' bodies.
    pub answered_bytes: u64,
    /// How long it took.
    pub took: Duration,
}

/// Calls `address` over as many connections as there are callers, for `time` or until they have no
/// more. Every answer must be 201 and begin with `expected`.
pub async fn run<C: Calls>(
    address: SocketAddr,
    callers: &mut [C],
    expected: &'static [u8],
    time: Duration,
) -> anyhow::Result<Round> {
    let mut connections = Vec::new();
    for _ in callers.iter() {
        let stream = TcpStream::connect(address).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        connections.push(stream);
    }
    let begin = Instant::now();
    let end = begin + time;
    let calling = callers.iter_mut().zip(connections).enumerate().map(|(at, (calls, stream))| {
        let random = SmallRng::seed_from_u64(at as u64 ^ u64::from(std::process::id()));
        converse(stream, calls, random, expected, end)
    });
    let mut round = Round::default();
    for part in futures_all(calling).await {
        let part = part?;
        round.latencies_us.extend(part.latencies_us);
        round.answered_bytes += part.answered_bytes;
    }
    round.took = begin.elapsed();
    Ok(round)
}

/// All of them at once on this thread.
async fn futures_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    futures::future::join_all(futures).await
}

async fn converse<C: Calls>(
    mut stream: TcpStream,
    calls: &mut C,
    mut random: SmallRng,
    expected: &[u8],
    end: Instant,
) -> anyhow::Result<Round> {
    let mut round = Round::default();
    let mut request = Vec::with_capacity(8 << 10);
    let mut answer = vec![0; 64 << 10];
    let mut now = Instant::now();
    while now < end {
        request.clear();
        if calls.next(&mut random, &mut request).is_none() {
            break;
        }
        stream.write_all(&request).await?;
        let body = read(&mut stream, &mut answer).await?;
        if !answer.starts_with(b"HTTP/1.1 201") || !answer[body.clone()].starts_with(expected) {
            let text = String::from_utf8_lossy(&answer[..body.end]);
            bail!("a call was not answered as it should be:\n{text}");
        }
        round.answered_bytes += body.len() as u64;
        calls.answered(&answer[body]);
        let done = Instant::now();
        round.latencies_us.push(u32::try_from((done - now).as_micros()).unwrap_or(u32::MAX));
        now = done;
    }
    Ok(round)
}

/// Reads one answer; where its body lies.
async fn read(
    stream: &mut TcpStream,
    answer: &mut Vec<u8>,
) -> anyhow::Result<std::ops::Range<usize>> {
    let mut filled = 0;
    let mut whole = None;
    loop {
        if filled == answer.len() {
            answer.resize(2 * filled, 0);
        }
        let got = stream.read(&mut answer[filled..]).await?;
        if got == 0 {
            bail!("the connection was closed in the middle of an answer");
        }
        filled += got;
        if whole.is_none() {
            whole = head(&answer[..filled])?;
        }
        if let Some(body) = whole.clone().filter(|body| body.end <= filled) {
            return Ok(body);
        }
    }
}

/// Where the body lies once the head is there.
fn head(answer: &[u8]) -> anyhow::Result<Option<std::ops::Range<usize>>> {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&answer[..head]).context("the head is not text")?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.context("an answer without content-length")?;
    Ok(Some(head + 4..head + 4 + length))
}

/// A number below `end`.
pub fn below(random: &mut dyn rand::RngCore, end: u32) -> u32 {
    random.random_range(0..end)
}

/// A whole POST request.
pub fn post(path: &str, token: &str, key: Option<&str>, body: &str, request: &mut Vec<u8>) {
    use std::io::Write;
    // Writing into memory does not fail.
    let _ = write!(
        request,
        "POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    if let Some(key) = key {
        let _ = write!(request, "idempotency-key: {key}\r\n");
    }
    request.extend_from_slice(b"\r\n");
    request.extend_from_slice(body.as_bytes());
}
