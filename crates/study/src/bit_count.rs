//! The SQL function `bit_count`: the number of bits set in an integer. Other engines have it under this name, DataFusion does not.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray as _, Int64Array};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

/// `bit_count` with the processor's instruction, for queries that run in this process.
pub(crate) fn native() -> ScalarUDF {
    create_udf(
        "bit_count",
        vec![DataType::Int64],
        DataType::Int64,
        Volatility::Immutable,
        Arc::new(|arguments: &[ColumnarValue]| {
            let arrays = ColumnarValue::values_to_arrays(arguments)?;
            let counted: Int64Array = match arrays.first() {
                Some(array) => array
                    .as_primitive::<Int64Type>()
                    .iter()
                    .map(|bits| bits.map(|bits| i64::from(bits.count_ones())))
                    .collect(),
                None => Int64Array::new_null(0),
            };
            Ok(ColumnarValue::Array(Arc::new(counted)))
        }),
    )
}

#[cfg(feature = "cluster")]
pub(crate) use as_arithmetic::bit_count as portable;

/// `bit_count` for a cluster, whose executors do not have the function: the planner replaces each call by shifts and sums.
#[cfg(feature = "cluster")]
mod as_arithmetic {
    use datafusion::arrow::datatypes::DataType;
    use datafusion::common::{Result, internal_err};
    use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
    use datafusion::logical_expr::{
        ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, binary_expr,
    };
    use datafusion::prelude::lit;

    pub(crate) fn bit_count() -> ScalarUDF {
        ScalarUDF::new_from_impl(BitCount {
            signature: Signature::exact(vec![DataType::Int64], Volatility::Immutable),
        })
    }

    #[derive(Debug, PartialEq, Eq, Hash)]
    struct BitCount {
        signature: Signature,
    }

    impl ScalarUDFImpl for BitCount {
        fn name(&self) -> &str {
            "bit_count"
        }

        fn signature(&self) -> &Signature {
            &self.signature
        }

        fn return_type(&self, _: &[DataType]) -> Result<DataType> {
            Ok(DataType::Int64)
        }

        fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
            internal_err!("bit_count reached execution: the planner did not replace it")
        }

        fn simplify(&self, arguments: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
            let mut arguments = arguments;
            match arguments.pop() {
                Some(bits) => Ok(ExprSimplifyResult::Simplified(arithmetic(bits))),
                None => Ok(ExprSimplifyResult::Original(arguments)),
            }
        }
    }

    /// Sums bits in pairs, in fours, in bytes, and the bytes by a product (Warren, Hacker's Delight, 5-1). Blocks of 62 days leave the
    /// sign bit free; the product is meant to wrap on overflow.
    fn arithmetic(bits: Expr) -> Expr {
        let and = |a: Expr, mask: i64| binary_expr(a, Operator::BitwiseAnd, lit(mask));
        let shifted = |a: Expr, by: i64| binary_expr(a, Operator::BitwiseShiftRight, lit(by));
        let pairs = bits.clone() - and(shifted(bits, 1), 0x5555_5555_5555_5555);
        let fours = and(pairs.clone(), 0x3333_3333_3333_3333) + and(shifted(pairs, 2), 0x3333_3333_3333_3333);
        let bytes = and(fours.clone() + shifted(fours, 4), 0x0f0f_0f0f_0f0f_0f0f);
        shifted(bytes * lit(0x0101_0101_0101_0101_i64), 56)
    }

    #[cfg(test)]
    mod tests {
        use datafusion::prelude::SessionContext;

        /// Both forms agree on blocks with few bits, with many, and with the highest bit that is used.
        #[tokio::test]
        async fn the_arithmetic_counts_as_the_processor_does() {
            let numbers: Vec<i64> = (0..62)
                .flat_map(|bit| [1 << bit, (1 << bit) - 1, 0x2aaa_aaaa_aaaa_aaaa >> bit, 0x0123_4567_89ab_cdef >> bit])
                .chain([0, (1 << 62) - 1])
                .collect();
            let values: Vec<String> = numbers
                .iter()
                .map(|number| format!("({number}, {})", number.count_ones()))
                .collect();
            let context = SessionContext::new();
            context.register_udf(super::bit_count());
            let sql = format!(
                "SELECT CAST(sum(CASE WHEN bit_count(n) = wanted THEN 0 ELSE 1 END) AS BIGINT) AS wrong FROM (SELECT column1 AS n, column2 AS wanted FROM (VALUES {}))",
                values.join(", ")
            );
            let batches = context.sql(&sql).await.expect("planned").collect().await.expect("counted");
            let text = datafusion::arrow::util::pretty::pretty_format_batches(&batches)
                .expect("shown")
                .to_string();
            assert!(text.contains("| 0     |"), "{text}");
        }
    }
}
