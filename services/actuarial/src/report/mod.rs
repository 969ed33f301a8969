//! Reports: a run's result for people, as a page with charts or as a workbook with formulas.

mod credibility;
mod cusum;
mod forecast;
mod fraud_score;
mod glm;
mod html;
mod indication;
mod lapse;
mod network;
mod region;
mod reserving;
mod segments;
mod survival;
mod svg;
mod trees;
mod validation;
mod watch;
mod workbook;

use axum::body::Body;
use axum::response::Response;
use base_http::{Call, Problem};
use http::{HeaderValue, header};
use serde::de::DeserializeOwned;

use crate::Actuarial;
use crate::error::{self, ActuarialError};
use crate::method::Method;
use crate::method::chances::CalibratedResult;
use crate::method::glm::ComparisonResult;
use crate::report::html::Page;
use crate::report::svg::Compared;
use crate::store::run::RunRecord;

impl Actuarial {
    /// Sends the page of an own run that is done.
    pub async fn send_report(&self, call: Call, run: &str) -> Result<Response, Problem> {
        let record = self.own_run(&call, run).await?;
        let result = self.result_of(&record).await?;
        let (subject, name) = (record.subject(), format!("{}-report.html", record.run));
        let page = made(move || page(&record, &result)).await?;
        let body = Body::from(page);
        let mut response =
            self.send(call, subject, "text/html; charset=utf-8", &name, body).await?;
        let headers = response.headers_mut();
        // A page to look at. It needs nothing from anywhere, and may load nothing.
        headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("inline"));
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
        );
        Ok(response)
    }

    /// Sends the workbook of an own run that is done.
    pub async fn send_workbook(&self, call: Call, run: &str) -> Result<Response, Problem> {
        let record = self.own_run(&call, run).await?;
        if !matches!(record.method, Method::Reserving | Method::Indication) {
            return Err(no_report("workbook", &record).into());
        }
        let result = self.result_of(&record).await?;
        let (subject, name) = (record.subject(), format!("{}-workbook.xlsx", record.run));
        let book = made(move || {
            let written = match record.method {
                Method::Indication => workbook::indication::write(&record, &read(&result)?),
                _ => workbook::reserving::write(&record, &read(&result)?),
            };
            written.map_err(|error| {
                tracing::error!(%error, "a workbook cannot be written");
                ActuarialError::Corrupt("result")
            })
        });
        let media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
        self.send(call, subject, media_type, &name, Body::from(book.await?)).await
    }
}

fn page(record: &RunRecord, result: &[u8]) -> Result<String, ActuarialError> {
    let mut page = Page::of(record);
    match record.method {
        Method::Glm => glm::write(&mut page, &read(result)?),
        Method::BoostedTrees => trees::write(&mut page, &read(result)?),
        Method::Indication => indication::write(&mut page, &read(result)?),
        Method::Reserving => reserving::write(&mut page, &read(result)?),
        Method::Region => region::write(&mut page, &read(result)?),
        Method::Validation => validation::write(&mut page, &read(result)?),
        Method::Credibility => credibility::write(&mut page, &read(result)?),
        Method::Segments => segments::write(&mut page, &read(result)?),
        Method::Lapse => lapse::write(&mut page, &read(result)?),
        Method::Network => network::write(&mut page, &read(result)?),
        Method::Cusum => cusum::write(&mut page, &read(result)?),
        Method::Watch => watch::write(&mut page, &read(result)?),
        Method::Survival => survival::write(&mut page, &read(result)?),
        Method::Forecast => forecast::write(&mut page, &read(result)?),
        Method::FraudScore => fraud_score::write(&mut page, &read(result)?),
    }
    Ok(page.end())
}

/// A drawing of what was seen and what was expected, level by level.
fn compare(page: &mut Page, comparison: &ComparisonResult, what: &str) {
    page.heading(&format!("Actual against expected: {}", comparison.name));
    let levels: Vec<Compared> = comparison
        .levels
        .iter()
        .map(|level| Compared {
            name: level.name.clone(),
            weight: level.volume.0,
            observed: level.observed.0,
            expected: level.expected.0,
        })
        .collect();
    page.drawing(&svg::compared(&format!("{what} by {}", comparison.name), &levels));
}

/// Chances that were said and what was seen, band by band, to be drawn.
fn said_and_seen(bands: &[CalibratedResult]) -> Vec<Compared> {
    let compared = (1..).zip(bands).map(|(place, band): (usize, _)| Compared {
        name: place.to_string(),
        weight: band.rows as f64,
        observed: band.observed.0,
        expected: band.expected.0,
    });
    compared.collect()
}

fn no_report(what: &str, record: &RunRecord) -> ActuarialError {
    let detail = format!("a run of {} has no {what}", record.method.name());
    ActuarialError::refused(&error::NO_REPORT, detail)
}

fn read<T: DeserializeOwned>(result: &[u8]) -> Result<T, ActuarialError> {
    serde_json::from_slice(result).map_err(|_| ActuarialError::Corrupt("result"))
}

/// Makes something on a thread that may block.
async fn made<T: Send + 'static>(
    make: impl FnOnce() -> Result<T, ActuarialError> + Send + 'static,
) -> Result<T, ActuarialError> {
    tokio::task::spawn_blocking(make).await.unwrap_or(Err(ActuarialError::Corrupt("report")))
}
