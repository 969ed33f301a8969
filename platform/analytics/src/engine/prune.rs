//! Files that hold no row a filter keeps, by the least and greatest values of their columns.

use std::cmp::Ordering;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use crate::lake::{Bound, Bounds, FileEntry};

/// Whether a file may hold a row that a filter keeps. What is not understood may.
pub(crate) fn may_hold(file: &FileEntry, filter: &Expr) -> bool {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            may_hold(file, left) && may_hold(file, right)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            may_hold(file, left) || may_hold(file, right)
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (&**left, &**right) {
            (Expr::Column(column), Expr::Literal(value, _)) => {
                compares(file, &column.name, *op, value)
            }
            (Expr::Literal(value, _), Expr::Column(column)) => {
                op.swap().is_none_or(|op| compares(file, &column.name, op, value))
            }
            _ => true,
        },
        Expr::InList(list) if !list.negated => match &*list.expr {
            Expr::Column(column) => list.list.iter().any(|value| match value {
                Expr::Literal(value, _) => compares(file, &column.name, Operator::Eq, value),
                _ => true,
            }),
            _ => true,
        },
        Expr::Between(between) if !between.negated => {
            match (&*between.expr, &*between.low, &*between.high) {
                (Expr::Column(column), Expr::Literal(low, _), Expr::Literal(high, _)) => {
                    compares(file, &column.name, Operator::GtEq, low)
                        && compares(file, &column.name, Operator::LtEq, high)
                }
                _ => true,
            }
        }
        _ => true,
    }
}

fn compares(file: &FileEntry, column: &str, op: Operator, value: &ScalarValue) -> bool {
    let Some(Bounds { min, max }) = file.bounds.get(column) else { return true };
    let Some(value) = bound(value) else { return true };
    let (Some(min), Some(max)) = (order(min, &value), order(max, &value)) else { return true };
    match op {
        Operator::Eq => min.is_le() && max.is_ge(),
        Operator::Lt => min.is_lt(),
        Operator::LtEq => min.is_le(),
        Operator::Gt => max.is_gt(),
        Operator::GtEq => max.is_ge(),
        _ => true,
    }
}

/// `None` of two that cannot be compared.
fn order(a: &Bound, b: &Bound) -> Option<Ordering> {
    match (a, b) {
        (Bound::Whole(a), Bound::Whole(b)) => Some(a.cmp(b)),
        (Bound::Text(a), Bound::Text(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// The value as a manifest writes those of its type; DataFusion has brought literals to the type
/// of the column they are compared with.
fn bound(value: &ScalarValue) -> Option<Bound> {
    match value {
        ScalarValue::Int32(Some(value)) | ScalarValue::Date32(Some(value)) => {
            Some(Bound::Whole(i64::from(*value)))
        }
        ScalarValue::Int64(Some(value)) | ScalarValue::TimestampMicrosecond(Some(value), _) => {
            Some(Bound::Whole(*value))
        }
        ScalarValue::Utf8(Some(value)) | ScalarValue::Utf8View(Some(value)) => {
            Some(Bound::Text(value.clone()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use datafusion::prelude::{col, lit};

    use super::*;

    #[test]
    fn a_file_is_spared_only_when_no_row_can_be_kept() {
        let bounds = |min, max| Bounds { min, max };
        let file = FileEntry {
            path: String::new(),
            month: None,
            region: None,
            rows: 3,
            bytes: 1,
            sha256: String::new(),
            added_in: 1,
            bounds: BTreeMap::from([
                ("n".to_owned(), bounds(Bound::Whole(10), Bound::Whole(20))),
                (
                    "region".to_owned(),
                    bounds(Bound::Text("310000".to_owned()), Bound::Text("320000".to_owned())),
                ),
            ]),
        };
        let n = |value: i64| lit(value);
        let kept = [
            col("n").eq(n(10)),
            col("n").gt(n(19)),
            n(20).lt_eq(col("n")),
            col("n").not_eq(n(15)),
            col("other").eq(n(1)),
            col("region").in_list(vec![lit("110000"), lit("320000")], false),
            col("region").in_list(vec![lit("320000")], true),
            col("n").eq(n(1)).or(col("n").eq(n(11))),
            col("n").between(n(1), n(10)),
        ];
        let spared = [
            col("n").eq(n(9)),
            col("n").lt(n(10)),
            n(20).lt(col("n")),
            col("region").eq(lit("330000")),
            col("region").in_list(vec![lit("110000"), lit("330000")], false),
            col("n").eq(n(11)).and(col("region").eq(lit("1"))),
            col("n").between(n(21), n(30)),
        ];
        for filter in &kept {
            assert!(may_hold(&file, filter), "{filter}");
        }
        for filter in &spared {
            assert!(!may_hold(&file, filter), "{filter}");
        }
    }
}
