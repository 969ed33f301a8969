//! A small portfolio, and rows that several hold.

use actuarial_models::glm::{Batch, Elsewhere, Frame, Observations, Tally, TallyError, Texts};

pub(crate) const ROWS: usize = 3_001;

/// A small portfolio, made of multiples of irrational numbers.
pub(crate) struct Portfolio {
    pub(crate) frame: Frame,
    pub(crate) exposure: Vec<f64>,
    pub(crate) log_exposure: Vec<f64>,
    pub(crate) counts: Vec<f64>,
    pub(crate) amounts: Vec<f64>,
    pub(crate) happened: Vec<f64>,
}

impl Portfolio {
    pub(crate) fn new() -> Portfolio {
        // Between 0 and 1, without a pattern that a model of these columns could see.
        let part =
            |row: usize, by: f64| (row as f64 * by + (row * row % 977) as f64 * 0.37).fract();
        let of = |value: &dyn Fn(usize) -> f64| (0..ROWS).map(value).collect::<Vec<f64>>();
        let pick = |row: usize, by: f64, texts: &[&'static str]| {
            texts[(part(row, by) * texts.len() as f64) as usize]
        };
        let areas: Vec<&str> =
            (0..ROWS).map(|row| pick(row, 0.618_034, &["town", "coast", "hill", "lake"])).collect();
        let fuels: Vec<&str> =
            (0..ROWS).map(|row| pick(row, 0.414_214, &["petrol", "diesel", "gas"])).collect();
        let age = of(&|row| 18.0 + 62.0 * part(row, 0.732_051));
        let power = of(&|row| 40.0 + (160.0 * part(row, 0.236_068)).floor());
        let exposure = of(&|row| 0.1 + 0.9 * part(row, 0.645_751));
        let mean = |row: usize| {
            let area = if areas[row] == "town" { 0.5 } else { 0.0 };
            (-0.5 + area + (age[row] - 40.0).powi(2) / 2_000.0 + power[row] / 400.0).exp()
        };
        let counts = of(&|row| (exposure[row] * mean(row) * 3.0 * part(row, 0.316_625)).floor());
        let amounts =
            of(&|row| 100.0 * mean(row) * (0.05 - (0.01 + 0.99 * part(row, 0.605_551)).ln()));
        let happened = of(&|row| f64::from(u8::from(part(row, 0.123_106) < 0.2 * mean(row))));
        let mut frame = Frame::new();
        frame.add_texts("area", &areas).unwrap();
        frame.add_texts("same", &areas).unwrap();
        frame.add_texts("fuel", &fuels).unwrap();
        for power in [2, 3, 4] {
            let powers = age.iter().map(|age| age.powi(power)).collect();
            frame.add_numbers(&format!("age^{power}"), powers).unwrap();
        }
        let noise = |size: f64| {
            let rows = age.iter().enumerate();
            rows.map(|(row, age)| age + size * part(row, 0.872_983)).collect()
        };
        frame.add_numbers("nearly", noise(1e-5)).unwrap();
        frame.add_numbers("all but", noise(1e-9)).unwrap();
        frame.add_numbers("far", age.iter().map(|age| 1e7 + age).collect()).unwrap();
        frame.add_numbers("months", age.iter().map(|age| 12.0 * age + 1.0).collect()).unwrap();
        frame.add_numbers("age", age).unwrap();
        frame.add_numbers("power", power).unwrap();
        frame.add_numbers("zero", vec![0.0; ROWS]).unwrap();
        frame.add_numbers("constant", vec![7.0; ROWS]).unwrap();
        let log_exposure = exposure.iter().map(|exposure| exposure.ln()).collect();
        Portfolio { frame, exposure, log_exposure, counts, amounts, happened }
    }

    pub(crate) fn counts(&self) -> Observations<'_> {
        let offset = Some(self.log_exposure.as_slice());
        Observations { frame: &self.frame, response: &self.counts, weight: None, offset }
    }

    pub(crate) fn amounts(&self) -> Observations<'_> {
        let weight = Some(self.exposure.as_slice());
        Observations { frame: &self.frame, response: &self.amounts, weight, offset: None }
    }
}

/// Rows that several hold: each reads a part in batches, and what they found is merged.
pub(crate) struct Parted<'a> {
    pub(crate) data: Observations<'a>,
    pub(crate) volume: Option<&'a [f64]>,
    pub(crate) parts: usize,
    pub(crate) batch: usize,
    pub(crate) questions: usize,
}

impl Parted<'_> {
    pub(crate) fn of(data: Observations<'_>) -> Parted<'_> {
        Parted { data, volume: None, parts: 7, batch: 113, questions: 0 }
    }

    /// What one holder finds, rows `from..to`.
    fn part(&self, question: &[u8], from: usize, to: usize) -> Result<Tally, TallyError> {
        let mut tally = Tally::of(question)?;
        let columns = tally.columns().clone();
        for (place, start) in (from..to).step_by(self.batch).enumerate() {
            let rows = start..(start + self.batch).min(to);
            let factors: Vec<_> =
                columns.texts.iter().map(|name| self.data.frame.factor(name).unwrap()).collect();
            // Both forms of texts in turn.
            let values: Vec<Vec<_>> = factors
                .iter()
                .map(|(levels, _)| levels.iter().map(|level| Some(level.as_str())).collect())
                .collect();
            let codes: Vec<&[u32]> =
                factors.iter().map(|(_, codes)| &codes[rows.clone()]).collect();
            let plain: Vec<Vec<_>> = factors
                .iter()
                .map(|(levels, codes)| {
                    let codes = codes[rows.clone()].iter();
                    codes.map(|code| Some(levels[*code as usize].as_str())).collect()
                })
                .collect();
            let texts: Vec<_> = (0..factors.len())
                .map(|column| {
                    let texts = match place % 2 {
                        0 => Texts::Coded { values: &values[column], codes: codes[column] },
                        _ => Texts::Plain(&plain[column]),
                    };
                    (columns.texts[column].as_str(), texts)
                })
                .collect();
            let numbers: Vec<_> = columns
                .numbers
                .iter()
                .map(|name| (name.as_str(), &self.data.frame.numbers(name).unwrap()[rows.clone()]))
                .collect();
            tally.add(&Batch {
                texts: &texts,
                numbers: &numbers,
                response: &self.data.response[rows.clone()],
                weight: self.data.weight.map(|weight| &weight[rows.clone()]),
                offset: self.data.offset.map(|offset| &offset[rows.clone()]),
                volume: self.volume.map(|volume| &volume[rows.clone()]),
            })?;
        }
        Ok(tally)
    }
}

impl Elsewhere for Parted<'_> {
    type Error = TallyError;

    fn ask(&mut self, question: &[u8]) -> Result<Vec<u8>, TallyError> {
        self.questions += 1;
        let rows = self.data.response.len();
        let bound = |part: usize| rows * part / self.parts;
        let mut found = (0..self.parts)
            .map(|part| Ok(self.part(question, bound(part), bound(part + 1))?.to_bytes()))
            .collect::<Result<Vec<_>, TallyError>>()?;
        // Another order each time; the first half comes together before the rest, one of them none.
        found.rotate_left(self.questions % self.parts);
        let mut half = Tally::of(question)?;
        for state in found.drain(..self.parts / 2) {
            half.merge(&state)?;
        }
        let mut all = Tally::of(question)?;
        all.merge(&Tally::of(question)?.to_bytes())?;
        for state in found.iter().chain([&half.to_bytes()]) {
            all.merge(state)?;
        }
        Ok(all.to_bytes())
    }
}
