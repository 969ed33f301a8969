//! How an uploaded file is to be read, as it is asked for and as it is kept.

use base_http::FieldError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::dataset::{ColumnType, Role};

/// Most columns a file may have.
pub(crate) const MOST_COLUMNS: usize = 1_000;

/// Texts that stand for nothing, unless the caller names others. Compared without regard to case.
const MISSING: [&str; 6] = ["", "NA", "N/A", "nan", "null", "#N/A"];

/// What an upload says about its file.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = DatasetUpload)]
pub struct DatasetBody {
    /// Name of the dataset: lower-case letters, digits, dots, dashes and underscores. A name that is
    /// taken gets another version.
    #[schema(example = "motor-2024")]
    pub name: Option<String>,
    /// What it is, for people.
    pub title: Option<String>,
    /// `csv` (also gzipped), `parquet` or `xlsx`; told from the file when absent.
    #[schema(example = "csv")]
    pub format: Option<String>,
    /// What stands between the cells of a CSV: `,`, `;`, `|` or a tabulator; told from the header
    /// when absent.
    pub delimiter: Option<String>,
    /// How a CSV is encoded: `utf-8`, the default, or `gb18030`, which includes GBK.
    pub encoding: Option<String>,
    /// The sheet of a workbook; its first when absent.
    pub sheet: Option<String>,
    /// Texts that stand for a missing value, instead of the empty text, NA, N/A, nan, null and #N/A.
    pub missing: Option<Vec<String>>,
    /// What becomes of columns. Columns that are not named keep their names and inferred types.
    pub columns: Option<Vec<ColumnBody>>,
    /// Leaves out columns that are not named.
    pub only_named: Option<bool>,
}

/// What becomes of one column.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = DatasetColumnMapping)]
pub struct ColumnBody {
    /// What the header of the file calls it.
    #[schema(example = "ClaimNb")]
    pub source: Option<String>,
    /// What runs shall call it; the same when absent.
    #[schema(example = "claims")]
    pub name: Option<String>,
    /// `integer`, `decimal`, `text`, `date` or `boolean`; inferred when absent.
    #[serde(rename = "type")]
    #[schema(example = "integer")]
    pub kind: Option<String>,
    /// What it is for.
    #[schema(example = "claims")]
    pub role: Option<String>,
}

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Format {
    /// Comma-separated values, perhaps gzipped.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// An Excel workbook.
    Xlsx,
}

/// How texts of a CSV are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Encoding {
    /// UTF-8.
    #[default]
    Utf8,
    /// GB 18030, which includes GBK and GB 2312.
    Gb18030,
}

/// How a file is to be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// Said, or told from the file when it is read.
    pub format: Option<Format>,
    /// A byte of ASCII.
    pub delimiter: Option<u8>,
    /// How a CSV is encoded.
    #[serde(default)]
    pub encoding: Encoding,
    /// The sheet of a workbook.
    pub sheet: Option<String>,
    /// Texts that stand for nothing, lower case.
    pub missing: Vec<String>,
    /// What becomes of columns.
    pub columns: Vec<Mapping>,
    /// Whether the others are left out.
    pub only_named: bool,
}

/// What becomes of one column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mapping {
    /// What the file calls it.
    pub source: String,
    /// What runs call it.
    pub name: String,
    /// Inferred when absent.
    pub kind: Option<ColumnType>,
    /// What it is for.
    pub role: Option<Role>,
}

/// A dataset's name and title with how its file is to be read.
#[derive(Clone, Debug)]
pub struct Asked {
    /// A lower-case word.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// How the file is to be read.
    pub about: About,
}

impl Default for About {
    fn default() -> About {
        About {
            format: None,
            delimiter: None,
            encoding: Encoding::Utf8,
            sheet: None,
            missing: MISSING.map(str::to_lowercase).to_vec(),
            columns: Vec::new(),
            only_named: false,
        }
    }
}

impl DatasetBody {
    /// What is asked for, or everything that is wrong with it at once.
    pub fn read(&self, unknown: Vec<String>) -> Result<Asked, Vec<FieldError>> {
        let mut errors: Vec<FieldError> =
            unknown.into_iter().map(|at| FieldError::at(at, "is not known")).collect();
        let mut complain = |at: String, detail: String| errors.push(FieldError::at(at, detail));
        let name = self.name.as_deref().unwrap_or_default();
        if !is_name(name) {
            let detail = "is 1 to 64 lower-case letters, digits, dots, dashes and underscores, \
                          beginning with a letter or digit";
            complain("/name".to_owned(), detail.to_owned());
        }
        let format = self.format.as_deref().map(|format| match format {
            "csv" | "csv.gz" => Some(Format::Csv),
            "parquet" => Some(Format::Parquet),
            "xlsx" => Some(Format::Xlsx),
            _ => None,
        });
        if format == Some(None) {
            complain("/format".to_owned(), "is csv, parquet or xlsx".to_owned());
        }
        let delimiter = self.delimiter.as_deref().map(|text| match text {
            "," | ";" | "|" | "\t" => text.bytes().next(),
            _ => None,
        });
        if delimiter == Some(None) {
            complain("/delimiter".to_owned(), "is , or ; or | or a tabulator".to_owned());
        }
        let encoding = match self.encoding.as_deref().map(str::to_lowercase).as_deref() {
            None | Some("utf-8" | "utf8") => Encoding::Utf8,
            Some("gb18030" | "gbk" | "gb2312") => Encoding::Gb18030,
            Some(_) => {
                complain("/encoding".to_owned(), "is utf-8 or gb18030".to_owned());
                Encoding::Utf8
            }
        };
        let mut columns: Vec<Mapping> = Vec::new();
        for (index, column) in self.columns.iter().flatten().enumerate() {
            let mut at = |member: &str, detail: String| {
                complain(format!("/columns/{index}/{member}"), detail);
            };
            let source = column.source.clone().unwrap_or_default();
            if source.is_empty() {
                at("source", "name the column as the header of the file does".to_owned());
            }
            let name = column.name.clone().unwrap_or_else(|| source.clone());
            if name.trim().is_empty() || name.chars().count() > 64 {
                at("name", "is 1 to 64 characters".to_owned());
            }
            let kind = column.kind.as_deref().map(ColumnType::parse);
            if kind == Some(None) {
                let names = ColumnType::ALL.map(ColumnType::name).join(", ");
                at("type", format!("is one of {names}"));
            }
            let role = column.role.as_deref().map(Role::parse);
            if role == Some(None) {
                let names = Role::ALL.map(Role::name).join(", ");
                at("role", format!("is one of {names}"));
            }
            if columns.iter().any(|other| other.source == source) {
                at("source", format!("{source} is named before"));
            }
            if columns.iter().any(|other| other.name == name) {
                at("name", format!("{name} is taken by another column"));
            }
            columns.push(Mapping { source, name, kind: kind.flatten(), role: role.flatten() });
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let missing = match &self.missing {
            Some(texts) => texts.iter().map(|text| text.trim().to_lowercase()).collect(),
            None => MISSING.map(str::to_lowercase).to_vec(),
        };
        let title = self.title.clone().filter(|title| !title.trim().is_empty());
        let about = About {
            format: format.flatten(),
            delimiter: delimiter.flatten(),
            encoding,
            sheet: self.sheet.clone(),
            missing,
            columns,
            only_named: self.only_named.unwrap_or(false),
        };
        Ok(Asked { name: name.to_owned(), title, about })
    }
}

/// Whether a text can name a dataset.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=64).contains(&text.len())
        && text.starts_with(fits)
        && text.chars().all(|c| fits(c) || "._-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_wrong_with_an_upload_is_named_at_once() {
        let body = r#"{ "name": "Motor 2024", "format": "xls", "delimiter": "::", "columns": [
            { "source": "a", "type": "float" }, { "source": "a", "role": "boss" }, { "name": "" }] }"#;
        let body: DatasetBody = serde_json::from_str(body).unwrap();
        let errors = body.read(vec!["/typo".to_owned()]).unwrap_err();
        let pointers: Vec<&str> = errors.iter().map(|error| &*error.pointer).collect();
        let wanted = [
            "/typo",
            "/name",
            "/format",
            "/delimiter",
            "/columns/0/type",
            "/columns/1/role",
            "/columns/1/source",
            "/columns/1/name",
            "/columns/2/source",
            "/columns/2/name",
        ];
        assert_eq!(pointers, wanted);
    }

    #[test]
    fn a_mapping_renames_types_and_gives_roles() {
        let body = r#"{ "name": "motor-2024", "columns": [
            { "source": "ClaimNb", "name": "claims", "type": "integer", "role": "claims" }] }"#;
        let body: DatasetBody = serde_json::from_str(body).unwrap();
        let asked = body.read(Vec::new()).unwrap();
        assert_eq!((&*asked.name, asked.about.format), ("motor-2024", None));
        let mapping = &asked.about.columns[0];
        assert_eq!((&*mapping.source, &*mapping.name), ("ClaimNb", "claims"));
        assert_eq!((mapping.kind, mapping.role), (Some(ColumnType::Integer), Some(Role::Claims)));
        assert!(asked.about.missing.contains(&"nan".to_owned()));
    }
}
