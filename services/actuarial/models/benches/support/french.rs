//! The French portfolio for measurements, read as fast as its file allows: one thread decompresses,
//! another reads cells.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use actuarial_models::glm::{Frame, Kind, Reading};
use csv::ByteRecord;
use flate2::read::GzDecoder;

/// Columns of a part of the portfolio.
pub(crate) struct French {
    /// The file's columns and what models make of them.
    pub(crate) frame: Frame,
    pub(crate) claims: Vec<f64>,
    pub(crate) exposure: Vec<f64>,
}

/// What another thread decompresses.
struct Decompressed {
    chunks: Receiver<Vec<u8>>,
    chunk: Vec<u8>,
    done: usize,
}

impl French {
    /// The rows of this part of the stored split.
    pub(crate) fn read(path: &Path, part: &[u8]) -> French {
        let columns = [
            ("IDpol", Kind::Numeric),
            ("ClaimNb", Kind::Numeric),
            ("Exposure", Kind::Numeric),
            ("Area", Kind::Factor),
            ("VehPower", Kind::Numeric),
            ("VehAge", Kind::Numeric),
            ("DrivAge", Kind::Numeric),
            ("BonusMalus(raw)", Kind::Numeric),
            ("VehBrand", Kind::Factor),
            ("VehGas", Kind::Factor),
            ("Density", Kind::Numeric),
            ("Region", Kind::Factor),
        ];
        let mut reading = Reading::new(&columns);
        records(path, |row| {
            if &row[12] == part {
                reading.row(row.iter().take(12)).unwrap();
            }
        });
        let mut frame = reading.finish().unwrap();
        frame.add_classes("VehPowerClass", "VehPower", &[5.0, 6.0, 7.0, 8.0, 9.0]).unwrap();
        frame.add_classes("VehAgeClass", "VehAge", &[1.0, 10.5]).unwrap();
        let ages = [21.0, 26.0, 31.0, 41.0, 51.0, 71.0];
        frame.add_classes("DrivAgeClass", "DrivAge", &ages).unwrap();
        let of = |name: &str, change: &dyn Fn(f64) -> f64| -> Vec<f64> {
            frame.numbers(name).unwrap().iter().map(|value| change(*value)).collect()
        };
        let claims = of("ClaimNb", &|count| count.min(4.0));
        let exposure = of("Exposure", &|part| part.min(1.0));
        let level = of("BonusMalus(raw)", &|level| level.min(150.0));
        let density = of("Density", &f64::ln);
        let (levels, codes) = frame.factor("Area").unwrap();
        assert_eq!(levels, ["A", "B", "C", "D", "E", "F"]);
        let area = codes.iter().map(|code| f64::from(code + 1)).collect();
        frame.add_numbers("BonusMalus", level).unwrap();
        frame.add_numbers("ln(Density)", density).unwrap();
        frame.add_numbers("Area(1..6)", area).unwrap();
        French { frame, claims, exposure }
    }
}

/// Calls `each` with every record of a compressed file.
pub(crate) fn records(path: &Path, mut each: impl FnMut(&ByteRecord)) {
    let mut input = GzDecoder::new(File::open(path).unwrap());
    let (sender, chunks) = sync_channel(8);
    thread::scope(|scope| {
        scope.spawn(move || {
            loop {
                let mut chunk = vec![0; 1 << 18];
                let count = input.read(&mut chunk).unwrap();
                chunk.truncate(count);
                if count == 0 || sender.send(chunk).is_err() {
                    break;
                }
            }
        });
        let mut reader = csv::Reader::from_reader(Decompressed { chunks, chunk: vec![], done: 0 });
        let mut record = ByteRecord::new();
        while reader.read_byte_record(&mut record).unwrap() {
            each(&record);
        }
    });
}

impl Read for Decompressed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.done == self.chunk.len() {
            // The other thread is done when nothing comes any more.
            self.chunk = self.chunks.recv().unwrap_or_default();
            self.done = 0;
        }
        let count = into.len().min(self.chunk.len() - self.done);
        into[..count].copy_from_slice(&self.chunk[self.done..self.done + count]);
        self.done += count;
        Ok(count)
    }
}
